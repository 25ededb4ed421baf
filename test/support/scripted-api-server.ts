import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { ServerConnection } from "../../src/runtime/kube-config.ts";

/** A request as it came. */
export interface ScriptedRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/** What the server does with one request. */
export type Scene = (response: ServerResponse, request: ScriptedRequest) => unknown;

/**
 * An HTTP server on loopback that answers each request with the next scene of its script, and keeps the requests.
 * A request without a scene is answered with 501.
 */
export class ScriptedApiServer {
  readonly requests: ScriptedRequest[] = [];
  readonly #server: Server;
  readonly #scenes: { match: string; scene: Scene; always: boolean }[] = [];

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<ScriptedApiServer> {
    const scripted = new ScriptedApiServer();
    await new Promise<void>((resolve) => scripted.#server.listen(0, "127.0.0.1", resolve));
    return scripted;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How to reach it, with the bearer token `token-1`, and `token-2` after it has been renewed. */
  get connection(): ServerConnection {
    let version = 1;
    return {
      server: this.url,
      tls: {},
      headers: async (renew) => {
        if (renew) version += 1;
        return { authorization: `Bearer token-${version}` };
      },
    };
  }

  /** Answers the next request that matches, such as `GET /api/v1/namespaces`, `list`, `watch`, or `*` for any. */
  next(match: string, scene: Scene): void {
    this.#scenes.push({ match, scene, always: false });
  }

  /** Answers every request that matches and that no `next` is left for. */
  always(match: string, scene: Scene): void {
    this.#scenes.push({ match, scene, always: true });
  }

  /** Breaks all connections, in the middle of answers too. */
  breakConnections(): void {
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(message);
    const url = new URL(message.url ?? "/", this.url);
    const request: ScriptedRequest = {
      method: message.method ?? "",
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: message.headers,
      body: body === "" ? undefined : JSON.parse(body),
    };
    this.requests.push(request);
    const scene = this.#take(request);
    if (scene === undefined) status(501, "NotImplemented")(response, request);
    else await scene(response, request);
  }

  #take(request: ScriptedRequest): Scene | undefined {
    const names = ["*", `${request.method} ${request.path}`, kindOfGet(request)];
    const fits = this.#scenes.filter(({ match }) => names.includes(match));
    const found = fits.find(({ always }) => !always) ?? fits[0];
    if (found?.always === false) this.#scenes.splice(this.#scenes.indexOf(found), 1);
    return found?.scene;
  }
}

function kindOfGet({ method, query }: ScriptedRequest): string {
  if (method !== "GET") return "";
  return query.watch === "true" ? "watch" : "list";
}

/** An answer in JSON. */
export function json(code: number, body: unknown, headers: Record<string, string> = {}): Scene {
  return (response) => {
    response.writeHead(code, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
}

/** A list of objects. */
export function list(items: unknown[], resourceVersion: string, continueToken?: string): Scene {
  return json(200, { kind: "List", metadata: { resourceVersion, continue: continueToken ?? "" }, items });
}

/** A failure as a `Status`. */
export function status(code: number, reason: string, headers: Record<string, string> = {}): Scene {
  return json(
    code,
    { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: `scripted ${code}` },
    headers,
  );
}

/** Breaks the connection without an answer. */
export const dropConnection: Scene = (response) => {
  response.destroy();
};

/** Never answers. */
export const silence: Scene = () => {};

/** A watch that the test goes on with: it sends events, ends it or breaks it. */
export class ScriptedWatch {
  readonly #opened = Promise.withResolvers<ServerResponse>();
  /** The scene to give to the server. */
  readonly scene: Scene = (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    this.#opened.resolve(response);
  };

  /** Resolves when the client has asked for it. */
  async opened(): Promise<void> {
    await this.#opened.promise;
  }

  async send(type: string, object: unknown): Promise<void> {
    await this.sendRaw(`${JSON.stringify({ type, object })}\n`);
  }

  async sendRaw(data: string | Buffer): Promise<void> {
    const response = await this.#opened.promise;
    await new Promise<void>((resolve) => response.write(data, () => resolve()));
  }

  async end(): Promise<void> {
    (await this.#opened.promise).end();
  }

  async break(): Promise<void> {
    (await this.#opened.promise).destroy();
  }

  /** Resolves when the client has gone. */
  async closed(): Promise<void> {
    const response = await this.#opened.promise;
    if (!response.closed) await new Promise<void>((resolve) => response.once("close", () => resolve()));
  }
}
