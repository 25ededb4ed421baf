import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Server } from "node:net";
import type { AgentContext } from "../context.ts";
import { asAgentError, refusal } from "../refusal.ts";
import { streamEvents } from "./event-stream.ts";
import type { Request, routes } from "./routes.ts";
import { listenOnUnixSocket } from "./unix-socket.ts";

const longestBodyBytes = 1024 * 1024;

/** The agent's control port: HTTP/2 in the clear on a Unix socket, which only root or the owner can open. */
export class ControlServer {
  readonly #context: AgentContext;
  readonly #routes: ReturnType<typeof routes>;
  readonly #server: Http2Server;
  readonly #closeSessions = new Set<() => void>();

  constructor(context: AgentContext, served: ReturnType<typeof routes>) {
    this.#context = context;
    this.#routes = served;
    this.#server = createServer();
    this.#server.on("session", (session) => {
      const close = () => session.destroy();
      this.#closeSessions.add(close);
      session.once("close", () => this.#closeSessions.delete(close));
      session.on("error", (error) => this.#context.logger.debug({ err: error }, "control session failed"));
    });
    this.#server.on("stream", (stream, headers) => this.#serve(stream, headers));
  }

  /** @throws {SocketError} */
  listen(socketPath: string): Promise<void> {
    return listenOnUnixSocket(this.#server as unknown as Server, socketPath);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const close of this.#closeSessions) close();
    await closed;
  }

  /** An order that was taken is carried out also when whoever sent it has gone: it is idempotent and will be sent again. */
  async #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    stream.on("error", (error) => this.#context.logger.debug({ err: error }, "control stream failed"));
    try {
      const url = new URL(headers[":path"] ?? "/", "http://agent");
      const method = headers[":method"] ?? "";
      if (method === "GET" && url.pathname === "/v1/events") return this.#streamEvents(stream);
      respond(stream, await this.#answer(method, url, stream));
    } catch (error) {
      this.#refuse(stream, headers, error);
    }
  }

  async #answer(method: string, url: URL, stream: ServerHttp2Stream): Promise<unknown> {
    const onPath = this.#routes.filter((route) => route.path.test(url.pathname));
    if (onPath.length === 0) throw refusal("NotFound", `the agent does not know the path ${url.pathname}`);
    const route = onPath.find((candidate) => candidate.method === method);
    if (route === undefined) throw refusal("InvalidRequest", `${url.pathname} cannot be asked with ${method}`);
    const key = decode(route.path.exec(url.pathname)?.[1] ?? "");
    const request: Request = { key, query: url.searchParams, body: parse(await readBody(stream)) };
    return route.answer(request);
  }

  #streamEvents(stream: ServerHttp2Stream): void {
    const { bootId, events, journal } = this.#context;
    streamEvents(stream, events, { type: "Hello", agentUuid: journal.agentUuid, bootId });
  }

  #refuse(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, error: unknown): void {
    const { reason, message, status } = asAgentError(error);
    const level = reason === "Internal" ? "error" : "info";
    const request = { method: headers[":method"], path: headers[":path"] };
    this.#context.logger[level](
      { ...request, reason, ...(level === "error" ? { err: error } : { message }) },
      "refused",
    );
    if (stream.destroyed || stream.headersSent) return;
    stream.respond({ ":status": status, "content-type": "application/json" });
    stream.end(JSON.stringify({ reason, message }));
  }
}

async function readBody(stream: ServerHttp2Stream): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= longestBodyBytes) chunks.push(chunk);
  }
  if (bytes > longestBodyBytes) {
    throw refusal("InvalidRequest", `the body has ${bytes} bytes, at most ${longestBodyBytes} are allowed`);
  }
  return Buffer.concat(chunks).toString();
}

function parse(body: string): unknown {
  if (body === "") return undefined;
  try {
    return JSON.parse(body);
  } catch (error) {
    throw refusal("InvalidRequest", `the body is not JSON: ${(error as Error).message}`);
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refusal("InvalidRequest", `the path contains ${text}, which is not URL-encoded text`);
  }
}

function respond(stream: ServerHttp2Stream, answer: unknown): void {
  if (stream.destroyed) return;
  if (answer === undefined) {
    stream.respond({ ":status": 204 }, { endStream: true });
    return;
  }
  const isText = typeof answer === "string";
  stream.respond({ ":status": 200, "content-type": isText ? "text/plain; charset=utf-8" : "application/json" });
  stream.end(isText ? answer : JSON.stringify(answer));
}
