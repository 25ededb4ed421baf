import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import { PassThrough, pipeline } from "node:stream";
import { AgentError } from "../agent/protocol/client.ts";
import { HostConnectionError } from "./host-connection-error.ts";

export type Method = "GET" | "POST" | "PUT";

export interface AgentRequest {
  method: Method;
  path: string;
  /** JSON. */
  body?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds until the whole answer, or of a stream its beginning, must have come. */
  milliseconds: number;
}

/** Far above what an agent with a thousand guests reports; a peer that sends more is out of order. */
const longestAnswerBytes = 16 * 1024 * 1024;
const longestLineBytes = 1024 * 1024;

/**
 * One request and its whole answer.
 *
 * @param alsoAccepted statuses that are no error besides 2xx
 * @throws {AgentError} when the agent refuses
 * @throws {HostConnectionError} `Timeout` or `ConnectionLost`
 * @throws the signal's reason when aborted
 */
export async function exchange(
  session: ClientHttp2Session,
  hostName: string,
  request: AgentRequest,
  alsoAccepted: number[],
): Promise<{ status: number; body: Buffer }> {
  const conversation = new Conversation(session, hostName, request);
  try {
    const status = await conversation.status();
    const body = await conversation.wholeBody();
    if (isSuccess(status) || alsoAccepted.includes(status)) return { status, body };
    throw refusal(status, body, conversation.description);
  } finally {
    conversation.end();
  }
}

/**
 * The lines of an answer without an end, each without its line break. Ends when the agent ends it; throws like
 * `exchange`, with `Timeout` only when not even the beginning of an answer came.
 */
export async function* readLines(
  session: ClientHttp2Session,
  hostName: string,
  request: AgentRequest,
): AsyncIterable<string> {
  const conversation = new Conversation(session, hostName, request);
  try {
    const status = await conversation.status();
    if (!isSuccess(status)) throw refusal(status, await conversation.wholeBody(), conversation.description);
    conversation.waitForever();
    let rest = "";
    for await (const text of conversation.text()) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > longestLineBytes) throw conversation.broken(`a line longer than ${longestLineBytes} bytes`);
      yield* lines.filter((line) => line !== "");
    }
  } finally {
    conversation.end();
  }
}

/** One HTTP/2 stream, with whatever ends it early turned into the right error. */
class Conversation {
  readonly description: string;
  readonly #stream: ClientHttp2Stream;
  /** Read from the very beginning: an HTTP/2 stream that ends before somebody reads it takes its answer with it. */
  readonly #body = new PassThrough();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#stream.destroy();
  readonly #timer: NodeJS.Timeout;
  #timedOutAfterMilliseconds: number | undefined;

  constructor(session: ClientHttp2Session, hostName: string, request: AgentRequest) {
    request.signal?.throwIfAborted();
    this.description = `host ${hostName}: ${request.method} ${request.path}`;
    if (session.closed || session.destroyed) throw this.broken("there is no connection");
    this.#signal = request.signal;
    this.#stream = session.request(
      { ":method": request.method, ":path": request.path, "content-type": "application/json" },
      { endStream: request.body === undefined },
    );
    pipeline(this.#stream, this.#body, () => {}); // errors are seen by whoever reads the body
    if (request.body !== undefined) this.#stream.end(request.body);
    request.signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#timer = setTimeout(() => {
      this.#timedOutAfterMilliseconds = request.milliseconds;
      this.#stream.destroy();
    }, request.milliseconds);
  }

  status(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#stream.once("response", (headers) => resolve(Number(headers[":status"])));
      this.#stream.once("close", () => reject(this.#explain()));
    });
  }

  async wholeBody(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of this.#chunks()) {
      bytes += chunk.length;
      if (bytes > longestAnswerBytes) throw this.broken(`an answer longer than ${longestAnswerBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  async *text(): AsyncIterable<string> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#chunks()) yield decoder.decode(chunk, { stream: true });
  }

  /** From now on the answer may take as long as it likes. */
  waitForever(): void {
    clearTimeout(this.#timer);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  broken(what: string, cause?: unknown): HostConnectionError {
    return new HostConnectionError("ConnectionLost", `${this.description}: ${what}`, cause);
  }

  async *#chunks(): AsyncIterable<Buffer> {
    try {
      yield* this.#body as AsyncIterable<Buffer>;
    } catch (error) {
      throw this.#explain(error);
    }
    // A session that goes away ends its streams like complete answers; only the reset code tells them apart.
    if (this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw this.#explain();
  }

  #explain(cause?: unknown): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    if (this.#timedOutAfterMilliseconds !== undefined) {
      const seconds = this.#timedOutAfterMilliseconds / 1000;
      return new HostConnectionError("Timeout", `${this.description}: no answer within ${seconds} s`, cause);
    }
    return this.broken("the connection broke before the answer was complete", cause);
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function refusal(status: number, body: Buffer, description: string): AgentError {
  try {
    const { reason, message } = JSON.parse(body.toString()) as { reason?: unknown; message?: unknown };
    if (typeof reason === "string" && typeof message === "string") return new AgentError(reason, message, status);
  } catch {
    // Told below.
  }
  return new AgentError("Internal", `${description}: answered ${status} without a reason`, status);
}
