import { createConnection, type Socket } from "node:net";

/** Something that QEMU reports unasked, such as `STOP`, `SHUTDOWN` or `MIGRATION`. */
export interface QmpEvent {
  event: string;
  data?: Record<string, unknown>;
}

interface QmpMessage {
  QMP?: unknown;
  id?: number;
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  data?: Record<string, unknown>;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** QEMU answered a command with an error, or its monitor did not answer at all. */
export class QmpError extends Error {
  override readonly name = "QmpError";
}

const commandTimeoutMilliseconds = 20_000;

/** One client of one of QEMU's monitors. A monitor serves a single client; a second one connects and hears nothing. */
export class QmpConnection {
  readonly #socket: Socket;
  readonly #waiters = new Map<number, Waiter>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #unparsed = "";
  #lastId = 0;
  #greeted: (() => void) | undefined;
  #isClosed = false;
  /** Resolves when the connection has ended, from whichever side. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", () => {}); // "close" follows and tells everybody
    socket.on("close", () => this.#fail(new QmpError("QEMU closed its monitor")));
  }

  /**
   * Connects, waits for the greeting and negotiates.
   * @throws the socket's error (`ENOENT`, `ECONNREFUSED`) when nobody listens; the signal's reason when aborted.
   */
  static async open(path: string, signal: AbortSignal): Promise<QmpConnection> {
    signal.throwIfAborted();
    const socket = createConnection(path);
    const connection = new QmpConnection(socket);
    try {
      await abortable(signal, (resolve, reject) => {
        connection.#greeted = () => resolve(undefined);
        socket.once("error", reject);
        socket.once("close", () => reject(new QmpError("QEMU closed its monitor")));
      });
      await connection.execute("qmp_capabilities", {}, signal);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Sends one command.
   * @returns what QEMU returned
   * @throws QmpError with QEMU's description, or when the monitor closes or does not answer for 20 s
   */
  async execute<T = unknown>(command: string, parameters: object, signal?: AbortSignal): Promise<T> {
    if (this.#isClosed) throw new QmpError(`${command}: QEMU closed its monitor`);
    const timeout = AbortSignal.timeout(commandTimeoutMilliseconds);
    const id = ++this.#lastId;
    try {
      const answer = abortable(signal ? AbortSignal.any([signal, timeout]) : timeout, (resolve, reject) => {
        this.#waiters.set(id, { resolve, reject });
      });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
      return (await answer) as T;
    } catch (error) {
      if (error === timeout.reason) throw new QmpError(`${command}: no answer from QEMU within 20 s`);
      if (error instanceof QmpError) throw new QmpError(`${command}: ${error.message}`, { cause: error });
      throw error;
    } finally {
      this.#waiters.delete(id);
    }
  }

  /** Calls back for every event from now on. @returns a function that ends it */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits for an event that comes after this call.
   * @throws QmpError when the connection closes first
   */
  async waitForEvent(matches: (event: QmpEvent) => boolean, signal: AbortSignal): Promise<QmpEvent> {
    let stop = () => {};
    try {
      return await abortable<QmpEvent>(signal, (resolve, reject) => {
        stop = this.onEvent((event) => matches(event) && resolve(event));
        this.closed.then(() => reject(new QmpError("QEMU closed its monitor")));
      });
    } finally {
      stop();
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    const lines = (this.#unparsed + text).split("\n");
    this.#unparsed = lines.pop() ?? "";
    for (const line of lines) {
      if (line.trim() !== "") this.#dispatch(line);
    }
  }

  #dispatch(line: string): void {
    let message: QmpMessage;
    try {
      message = JSON.parse(line) as QmpMessage;
    } catch {
      this.#socket.destroy(new Error("QEMU's monitor sent something that is not JSON"));
      return;
    }
    if (message.QMP) this.#greeted?.();
    if (message.event) {
      const event = message.data ? { event: message.event, data: message.data } : { event: message.event };
      for (const listener of [...this.#listeners]) listener(event);
      return;
    }
    const waiter = message.id === undefined ? undefined : this.#waiters.get(message.id);
    if (message.error) waiter?.reject(new QmpError(message.error.desc));
    else waiter?.resolve(message.return);
  }

  #fail(error: Error): void {
    this.#isClosed = true;
    for (const waiter of this.#waiters.values()) waiter.reject(error);
  }
}

/** A promise that also rejects, with the signal's reason, when the signal is aborted. */
function abortable<T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const settled = () => signal.removeEventListener("abort", onAbort);
    start(
      (value) => {
        settled();
        resolve(value);
      },
      (error) => {
        settled();
        reject(error);
      },
    );
  });
}
