import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { createServer } from "node:http2";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentEvent } from "../../src/agent/protocol/types.ts";

export interface ScriptedRequest {
  method: string;
  path: string;
  body: unknown;
}

/** What to answer; "silence" leaves the request open, "break" ends the stream in the middle of the answer. */
export type ScriptedAnswer = { status?: number; body: unknown } | { text: string } | "silence" | "break";

/** Speaks an agent's HTTP/2 on a Unix socket, answers what it is told to, and remembers what it was asked. */
export class ScriptedAgent {
  readonly requests: ScriptedRequest[] = [];
  readonly socketPath: string;
  /** Answers by `METHOD path`; what is not here is answered with 404 NotFound. */
  readonly answers = new Map<string, ScriptedAnswer>();
  /** Whether new streams of events are greeted. */
  greets = true;
  readonly #folder = mkdtempSync(join(tmpdir(), "vacate-agent-"));
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();
  readonly #eventStreams = new Set<ServerHttp2Stream>();
  #server: Http2Server | undefined;

  constructor() {
    this.socketPath = join(this.#folder, "agent.sock");
  }

  /** How many streams of events are open. */
  get listeners(): number {
    return this.#eventStreams.size;
  }

  async start(): Promise<this> {
    const server = createServer();
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
      session.on("error", () => {});
    });
    server.on("stream", (stream, headers) => {
      stream.on("error", () => {});
      void this.#answer(stream, String(headers[":method"]), String(headers[":path"]));
    });
    server.listen(this.socketPath);
    await once(server, "listening");
    this.#server = server;
    return this;
  }

  /** As a crash of the agent: every connection breaks and the socket is gone. */
  async stop(): Promise<void> {
    if (!this.#server) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const session of this.#sessions) session.destroy();
    await closed;
    this.#server = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** As SIGSTOP would: connections stay, and nothing is read any more. */
  freeze(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  emit(event: AgentEvent): void {
    for (const stream of this.#eventStreams) stream.write(`${JSON.stringify(event)}\n`);
  }

  /** Writes text as it is to the streams of events, each piece in a frame of its own. */
  emitPieces(pieces: string[]): void {
    for (const stream of this.#eventStreams) for (const piece of pieces) stream.write(piece);
  }

  /** Ends the streams of events in good order, and leaves the connections. */
  endEventStreams(): void {
    for (const stream of this.#eventStreams) stream.end();
  }

  /** Resolves once no stream of events is open any more. */
  async allListenersGone(): Promise<void> {
    await Promise.all([...this.#eventStreams].map((stream) => stream.closed || once(stream, "close")));
  }

  async #answer(stream: ServerHttp2Stream, method: string, path: string): Promise<void> {
    if (path === "/v1/events") return this.#greet(stream);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    this.requests.push({ method, path, body: text === "" ? undefined : JSON.parse(text) });
    const absent = { status: 404, body: { reason: "NotFound", message: `nothing at ${path}` } };
    const answer = this.answers.get(`${method} ${path}`) ?? absent;
    if (answer === "silence") return;
    if (answer === "break") {
      stream.respond({ ":status": 200 });
      stream.write("{", () => stream.session?.destroy());
      return;
    }
    if ("text" in answer) {
      stream.respond({ ":status": 200 });
      stream.end(answer.text);
      return;
    }
    const headers = { ":status": answer.status ?? 200 };
    stream.respond(headers, { endStream: answer.body === undefined });
    if (answer.body !== undefined) stream.end(JSON.stringify(answer.body));
  }

  #greet(stream: ServerHttp2Stream): void {
    stream.respond({ ":status": 200, "content-type": "application/x-ndjson" });
    stream.once("close", () => this.#eventStreams.delete(stream));
    this.#eventStreams.add(stream);
    if (this.greets) stream.write(`${JSON.stringify({ type: "Hello", agentUuid: "agent-1", bootId: "boot-1" })}\n`);
  }
}
