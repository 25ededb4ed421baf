import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HealthServerOptions {
  /** 127.0.0.1 when absent. */
  host?: string;
  /** 0 takes any free one. */
  port: number;
  /** What is not ready yet, such as `cache virtualmachines`; empty when all is. */
  notReady(): readonly string[];
  /** The metrics in Prometheus' text format, with their content type. */
  metrics(): Promise<{ contentType: string; text: string }>;
}

/** Serves `/healthz` (the process answers), `/readyz` (its work goes on) and `/metrics`. Reads only; no secrets in there. */
export class HealthServer {
  readonly #options: HealthServerOptions;
  readonly #server: Server;

  constructor(options: HealthServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#answer(request.method ?? "", (request.url ?? "").split("?")[0] ?? "", response).catch((error: Error) => {
        respond(response, 500, `${error.message}\n`);
      });
    });
  }

  /** Rejects when the port is taken, naming it. */
  async start(): Promise<void> {
    const { host = "127.0.0.1", port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause: NodeJS.ErrnoException) => {
        const problem = cause.code === "EADDRINUSE" ? "the port is already taken" : cause.message;
        reject(new Error(`cannot listen on ${host}:${port} for metrics and health: ${problem}`, { cause }));
      });
      this.#server.listen(port, host, resolve);
    });
  }

  /** Such as `http://127.0.0.1:8080`; only while it runs. */
  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return family === "IPv6" ? `http://[${address}]:${port}` : `http://${address}:${port}`;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(method: string, path: string, response: ServerResponse): Promise<void> {
    if (method !== "GET" && method !== "HEAD") return respond(response, 405, "only GET and HEAD\n");
    if (path === "/healthz") return respond(response, 200, "ok\n");
    if (path === "/readyz") return this.#ready(response);
    if (path !== "/metrics") return respond(response, 404, "only /healthz, /readyz and /metrics\n");
    const { contentType, text } = await this.#options.metrics();
    return respond(response, 200, text, contentType);
  }

  #ready(response: ServerResponse): void {
    const notReady = this.#options.notReady();
    if (notReady.length === 0) respond(response, 200, "ok\n");
    else respond(response, 503, notReady.map((name) => `not ready: ${name}\n`).join(""));
  }
}

function respond(
  response: ServerResponse,
  code: number,
  text: string,
  contentType = "text/plain; charset=utf-8",
): void {
  response.writeHead(code, { "content-type": contentType, "x-content-type-options": "nosniff" });
  response.end(text);
}
