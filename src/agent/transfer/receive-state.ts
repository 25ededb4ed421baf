import type { StatePartName, StateSink } from "../drivers/driver.ts";
import { refusal } from "../refusal.ts";
import type { Channel } from "./channel.ts";
import { blockHash, PartDigest } from "./checksum.ts";
import { blockAlignmentBytes, type Frame } from "./frames.ts";

/** Blocks being written at once; the memory a migration needs at the target is about this many MiB. */
const writesInFlight = 4;

type OpenSink = (part: { name: StatePartName; sizeBytes: number }, signal: AbortSignal) => Promise<StateSink>;

/**
 * Takes everything up to `StateEnd`, checks every byte, and puts it into the sinks. Resolves with the number of data bytes.
 *
 * @param report called with the bytes received so far
 * @throws {AgentError} `CopyFailed` when anything differs from what the source says it sent
 */
export async function receiveState(
  channel: Channel,
  openSink: OpenSink,
  signal: AbortSignal,
  report: (bytesDone: number) => void,
): Promise<number> {
  const seen = new Set<StatePartName>();
  let bytesDone = 0;
  for (;;) {
    signal.throwIfAborted();
    const frame = await channel.receive();
    if (frame.type === "StateEnd") return checkEnd(frame, seen.size, bytesDone);
    if (frame.type !== "PartBegin") throw refusal("CopyFailed", `${frame.type} came between two parts`);
    if (seen.has(frame.name)) throw refusal("CopyFailed", `part ${frame.name} came twice`);
    seen.add(frame.name);
    const sink = await openSink({ name: frame.name, sizeBytes: frame.sizeBytes }, signal);
    const receiver = new PartReceiver(sink, frame.sizeBytes, signal);
    try {
      bytesDone += await receiver.receive(channel, (partBytes) => report(bytesDone + partBytes));
      await sink.finish(signal);
    } finally {
      await receiver.settle();
      await sink.close();
    }
  }
}

class PartReceiver {
  readonly #sink: StateSink;
  readonly #sizeBytes: number;
  readonly #signal: AbortSignal;
  readonly #digest = new PartDigest();
  readonly #writes: Promise<void>[] = [];
  #bytesDone = 0;
  #end = 0;

  constructor(sink: StateSink, sizeBytes: number, signal: AbortSignal) {
    this.#sink = sink;
    this.#sizeBytes = sizeBytes;
    this.#signal = signal;
  }

  async receive(channel: Channel, report: (bytesDone: number) => void): Promise<number> {
    for (let index = 0; ; index++) {
      this.#signal.throwIfAborted();
      const frame = await channel.receive();
      if (frame.type === "PartEnd") return this.#finish(frame);
      if (frame.type !== "Block") throw this.#broken(`${frame.type} came in the middle`);
      this.#check(frame);
      await this.#writes[index % writesInFlight];
      const write = this.#sink.write(frame.offset, frame.data, this.#signal);
      write.catch(() => {}); // awaited before its place is used again
      this.#writes[index % writesInFlight] = write;
      report(this.#bytesDone);
    }
  }

  /** Nothing writes any more. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#writes);
  }

  #check({ offset, hash, data }: Extract<Frame, { type: "Block" }>): void {
    const end = offset + data.length;
    if (offset % blockAlignmentBytes !== 0) throw this.#broken(`block at ${offset} is not aligned`);
    if (offset < this.#end) throw this.#broken(`block at ${offset} comes after one that ends at ${this.#end}`);
    if (end > this.#sizeBytes) throw this.#broken(`block ends at ${end}, beyond its ${this.#sizeBytes} bytes`);
    if (blockHash(data) !== hash) throw this.#broken(`block at ${offset} arrived with other bytes than were sent`);
    this.#digest.add(offset, data.length, hash);
    this.#end = end;
    this.#bytesDone += data.length;
  }

  async #finish({ dataBytes, digest }: Extract<Frame, { type: "PartEnd" }>): Promise<number> {
    await Promise.all(this.#writes);
    if (dataBytes !== this.#bytesDone) throw this.#broken(`${this.#bytesDone} of ${dataBytes} bytes arrived`);
    if (digest !== this.#digest.finish()) throw this.#broken("its blocks are not those that were sent");
    return this.#bytesDone;
  }

  #broken(what: string): Error {
    return refusal("CopyFailed", `part ${this.#sink.name}: ${what}`);
  }
}

function checkEnd(frame: Extract<Frame, { type: "StateEnd" }>, parts: number, bytesDone: number): number {
  if (frame.parts === parts && frame.dataBytes === bytesDone) return bytesDone;
  const sent = `${frame.dataBytes} bytes in ${frame.parts} parts were sent`;
  throw refusal("CopyFailed", `${sent}, ${bytesDone} in ${parts} arrived`);
}
