import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";
import { load } from "js-yaml";

export interface HttpAnswer {
  code: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

export interface HttpRequest {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON, unless it is a string or bytes. */
  body?: unknown;
  anonymous?: boolean;
}

interface Kubeconfig {
  clusters: [{ cluster: { server: string; "certificate-authority-data": string } }];
  users: [{ user: { token: string } }];
}

export interface WatchedEvent {
  type: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every shape
  object: any;
}

/** Plain HTTPS with the identity of a kubeconfig: for tests of the server that want to see bytes, not a client's view. */
export class ApiHttp {
  readonly #server: string;
  readonly #token: string;
  readonly #agent: Agent;

  constructor(kubeconfigPath: string) {
    const kubeconfig = load(readFileSync(kubeconfigPath, "utf8")) as Kubeconfig;
    const { cluster } = kubeconfig.clusters[0];
    this.#server = cluster.server;
    this.#token = kubeconfig.users[0].user.token;
    this.#agent = new Agent({ keepAlive: true, ca: Buffer.from(cluster["certificate-authority-data"], "base64") });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @throws Error when the connection breaks before the answer is complete */
  async send(path: string, given: HttpRequest = {}): Promise<HttpAnswer> {
    const response = await this.#open(path, given);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    if (!response.complete) throw new Error("the answer broke off");
    const text = Buffer.concat(chunks).toString();
    const isJson = response.headers["content-type"]?.startsWith("application/json");
    return {
      code: response.statusCode ?? 0,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : undefined,
    };
  }

  /** The events of a watch, until its end or the caller leaves the loop. */
  async *watch(path: string, headers: Record<string, string> = {}): AsyncGenerator<WatchedEvent> {
    const response = await this.#open(path, { headers });
    try {
      for await (const line of createInterface({ input: response })) yield JSON.parse(line);
    } finally {
      response.destroy();
    }
  }

  #open(path: string, { method = "GET", headers = {}, body, anonymous }: HttpRequest) {
    const { promise, resolve, reject } = Promise.withResolvers<import("node:http").IncomingMessage>();
    const isRaw = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
    const content = isRaw ? body : JSON.stringify(body);
    const outgoing = request(`${this.#server}${path}`, {
      method,
      agent: this.#agent,
      headers: {
        ...(!anonymous && { authorization: `Bearer ${this.#token}` }),
        ...(content !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
    });
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
    outgoing.end(content);
    return promise;
  }
}
