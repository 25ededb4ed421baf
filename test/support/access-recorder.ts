import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";

/** One use of a right, as access rules name it. */
export interface Access {
  verb: string;
  group: string;
  /** With its subresource: `vmhosts/status`. */
  resource: string;
  namespace: string | undefined;
  name: string | undefined;
  code: number;
}

/** Stands between a client and an API server, passes everything on, and notes which rights are used. */
export class AccessRecorder {
  readonly accesses: Access[] = [];
  readonly #server = createServer((asked, answer) => this.#pass(asked, answer));
  readonly #target: URL;
  readonly #authority: Buffer;

  /** @param kubeconfigPath names the server; its identity is not used, clients bring their own */
  constructor(kubeconfigPath: string) {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfigPath);
    const cluster = config.getCurrentCluster();
    this.#target = new URL(cluster?.server ?? "");
    this.#authority = Buffer.from(cluster?.caData ?? "", "base64");
  }

  /** @returns where it listens, on loopback and without TLS */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #pass(asked: IncomingMessage, answer: ServerResponse): void {
    const { method = "GET", url = "/", headers } = asked;
    const options = { method, headers: { ...headers, host: this.#target.host }, ca: this.#authority };
    const passed = request(new URL(url, this.#target), options, (received) => {
      const access = accessOf(method, url);
      if (access) this.accesses.push({ ...access, code: received.statusCode ?? 0 });
      answer.writeHead(received.statusCode ?? 502, received.headers);
      // Watches are waited for by their first byte.
      answer.flushHeaders();
      received.pipe(answer);
    });
    passed.once("error", () => answer.destroy());
    answer.once("close", () => passed.destroy());
    asked.pipe(passed);
  }
}

const verbs: Record<string, string> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };

/** Undefined for paths that are no resource, such as /version. */
function accessOf(method: string, url: string): Omit<Access, "code"> | undefined {
  const { pathname, searchParams } = new URL(url, "http://server");
  const match = /^\/(?:api|apis\/(?<group>[^/]+))\/v[^/]+\/(?<rest>.+)$/.exec(pathname);
  if (!match?.groups) return undefined;
  const { group = "", rest = "" } = match.groups;
  const parts = rest.split("/");
  const namespace = parts[0] === "namespaces" && parts.length > 2 ? parts.splice(0, 2)[1] : undefined;
  const [plural = "", name, subresource] = parts;
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  const reading = searchParams.get("watch") === "true" ? "watch" : name === undefined ? "list" : "get";
  return { verb: verbs[method] ?? reading, group, resource, namespace, name };
}
