import type { TLSSocket } from "node:tls";
import type { Clock } from "../../api/clock.ts";
import { AgentError } from "../protocol/client.ts";
import { refusal } from "../refusal.ts";
import { encodeFrame, type Frame, FrameParser } from "./frames.ts";

/** One authenticated data connection between two agents, as frames. */
export class Channel {
  readonly #socket: TLSSocket;
  readonly #clock: Clock;
  readonly #idleMilliseconds: number;
  readonly #parser = new FrameParser();
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #closing = new AbortController();
  #received: Frame[] = [];
  #waitingSince: number | undefined;
  #error: Error | undefined;

  constructor(socket: TLSSocket, clock: Clock, idleMilliseconds: number) {
    this.#socket = socket;
    this.#clock = clock;
    this.#idleMilliseconds = idleMilliseconds;
    this.#chunks = socket[Symbol.asyncIterator]();
    socket.setNoDelay(true);
    socket.on("error", (error) => this.#closed(error));
    socket.once("close", () => this.#closed(new Error("closed by the other side")));
    if (socket.destroyed) this.#closed(new Error("closed by the other side"));
    this.#watch().catch(() => {}); // ends with the channel
  }

  /** Aborted when the connection is gone. */
  get gone(): AbortSignal {
    return this.#closing.signal;
  }

  /** Resolves when the bytes are on their way and their memory may be used again. Rejects when the connection is gone. */
  async send(frame: Frame): Promise<void> {
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
    const pieces = encodeFrame(frame);
    this.#socket.cork();
    const written = pieces.map((piece) => this.#write(piece));
    this.#socket.uncork();
    await Promise.all(written);
  }

  /**
   * The next frame that is not `Alive`. One call at a time.
   * @throws {AgentError} what the other side gave in `Failed`, or `CopyFailed` when the connection is gone
   * @throws {FrameError}
   */
  async receive(): Promise<Frame> {
    for (;;) {
      const frame = this.#received.shift();
      if (frame === undefined) await this.#read();
      else if (frame.type === "Failed") throw new AgentError(frame.reason, `the other side: ${frame.message}`, 500);
      else if (frame.type !== "Alive") return frame;
    }
  }

  /**
   * The next frame, which must be of this type.
   * @param received what `receive` returned earlier
   * @throws {AgentError} `CopyFailed` for any other, and what `receive` throws
   */
  async expect<Type extends Frame["type"]>(
    type: Type,
    received: Promise<Frame> = this.receive(),
  ): Promise<Extract<Frame, { type: Type }>> {
    const frame = await received;
    if (frame.type === type) return frame as Extract<Frame, { type: Type }>;
    const error = refusal("CopyFailed", `the other side sent ${frame.type} instead of ${type}`);
    this.destroy(error);
    throw error;
  }

  /** Tells the other side what went wrong, lets it read that, and closes. */
  async fail(error: AgentError): Promise<void> {
    const patience = AbortSignal.any([this.gone, AbortSignal.timeout(this.#idleMilliseconds)]);
    patience.addEventListener("abort", () => this.destroy(error));
    try {
      await this.send({ type: "Failed", reason: error.reason, message: error.message.slice(0, 4000) });
      this.#socket.end();
      while (!this.gone.aborted) await this.#read(); // an unread byte would turn the end into a reset
    } catch {
      // It is gone, which was to be achieved.
    }
    this.destroy(error);
  }

  /** Closes at once; whoever waits gets the error. */
  destroy(error: Error): void {
    this.#closed(error);
    this.#socket.destroy();
  }

  async #read(): Promise<void> {
    this.#waitingSince = this.#clock.monotonicMilliseconds();
    try {
      const { value, done } = await this.#chunks.next();
      if (done) throw this.#error ?? new Error("closed by the other side");
      this.#received.push(...this.#parser.push(value));
    } catch (error) {
      this.destroy(error as Error);
      throw this.#closing.signal.reason;
    } finally {
      this.#waitingSince = undefined;
    }
  }

  #write(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(piece, (error) => (error ? reject(this.#reasonFor(error)) : resolve()));
    });
  }

  #closed(error: Error): void {
    if (this.#closing.signal.aborted) return;
    this.#error = error;
    this.#closing.abort(this.#reasonFor(error));
  }

  #reasonFor(error: Error): Error {
    if (this.#closing.signal.aborted) return this.#closing.signal.reason;
    if (error instanceof AgentError) return error;
    return refusal("CopyFailed", `the data connection broke: ${error.message}`);
  }

  /** Speaks when there is nothing to say, and gives up on a silent peer; only while waiting for it, not while working. */
  async #watch(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(this.#idleMilliseconds / 4, this.gone);
      const waiting = this.#waitingSince;
      if (waiting !== undefined && this.#clock.monotonicMilliseconds() - waiting >= this.#idleMilliseconds) {
        const seconds = this.#idleMilliseconds / 1000;
        this.destroy(refusal("CopyFailed", `the other side sent nothing for ${seconds} s`));
      }
      this.send({ type: "Alive" }).catch(() => {}); // whoever uses the channel is told
    }
  }
}
