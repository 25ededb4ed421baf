import type { Clock } from "../../../api/clock.ts";
import type { StatePart, StatePartName, StateSink } from "../driver.ts";
import { fillPayload, type PartLayout, PayloadCheck } from "./payload.ts";

/** Lets the reads of one migration take the time that the model says, however many run at once. */
export class CopyPacer {
  readonly #clock: Clock;
  readonly #secondsFor: (bytes: number) => number;
  #startedAt: number | undefined;
  #bytes = 0;

  /** @param secondsFor how long it takes to copy so many bytes, counted from the first one */
  constructor(clock: Clock, secondsFor: (bytes: number) => number) {
    this.#clock = clock;
    this.#secondsFor = secondsFor;
  }

  async spend(bytes: number, signal: AbortSignal): Promise<void> {
    this.#startedAt ??= this.#clock.monotonicMilliseconds();
    this.#bytes += bytes;
    const due = this.#startedAt + this.#secondsFor(this.#bytes) * 1000;
    const wait = due - this.#clock.monotonicMilliseconds();
    if (wait > 0) await this.#clock.sleep(wait, signal);
  }
}

/** A part of a simulated guest: mostly zeros, and a pattern that must arrive. */
export class SimulatedPart implements StatePart {
  readonly name: StatePartName;
  readonly #layout: PartLayout;
  readonly #content: string | Buffer;
  readonly #pacer: CopyPacer;

  /** @param content a payload's pattern, or the content itself */
  constructor(name: StatePartName, layout: PartLayout, content: string | Buffer, pacer: CopyPacer) {
    this.name = name;
    this.#layout = layout;
    this.#content = content;
    this.#pacer = pacer;
  }

  get sizeBytes(): number {
    return this.#layout.sizeBytes;
  }

  get extents(): StatePart["extents"] {
    return this.#layout.extents;
  }

  async read(offset: number, buffer: Buffer, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#pacer.spend(buffer.length, signal);
    if (typeof this.#content === "string") fillPayload(this.#layout, this.#content, offset, buffer);
    else this.#content.copy(buffer, 0, offset);
  }

  async close(): Promise<void> {}
}

/** Checks an arriving payload and keeps its checksum only. */
export class PayloadSink implements StateSink {
  readonly name: StatePartName;
  readonly #check: PayloadCheck;
  readonly #arrived: (checksum: string) => Promise<void>;

  constructor(name: StatePartName, layout: PartLayout, arrived: (checksum: string) => Promise<void>) {
    this.name = name;
    this.#check = new PayloadCheck(layout);
    this.#arrived = arrived;
  }

  async write(offset: number, data: Buffer, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#check.write(offset, data);
  }

  async finish(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#arrived(this.#check.checksum());
  }

  async close(): Promise<void> {}
}

/** Keeps what arrives. */
export class ContentSink implements StateSink {
  readonly name: StatePartName;
  readonly #content: Buffer;
  readonly #arrived: (content: string) => Promise<void>;

  constructor(name: StatePartName, sizeBytes: number, arrived: (content: string) => Promise<void>) {
    this.name = name;
    this.#content = Buffer.alloc(sizeBytes);
    this.#arrived = arrived;
  }

  async write(offset: number, data: Buffer, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    data.copy(this.#content, offset);
  }

  async finish(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#arrived(this.#content.toString("utf8"));
  }

  async close(): Promise<void> {}
}
