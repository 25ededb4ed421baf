import type { StatePart } from "../drivers/driver.ts";
import type { Channel } from "./channel.ts";
import { blockHash, PartDigest } from "./checksum.ts";
import { nonZeroRanges, piecesOf } from "./extents.ts";
import { longestBlockBytes } from "./frames.ts";

/** Pieces that are read or on their way at once; the memory a migration needs at the source is this many MiB. */
const piecesInFlight = 4;

export interface TransferProgress {
  /** Bytes of data sent or received. */
  bytesDone: number;
  /** Bytes that move in all, as far as known; it shrinks when blocks turn out to be zero. */
  bytesTotal: number;
}

/** Sends every part but for holes and zero blocks, then `StateEnd`. Rejects when the connection breaks or the signal aborts. */
export async function sendState(
  channel: Channel,
  parts: StatePart[],
  signal: AbortSignal,
  report: (progress: TransferProgress) => void,
): Promise<TransferProgress> {
  const sender = new StateSender(channel, signal, report);
  return sender.send(parts);
}

class StateSender {
  readonly #channel: Channel;
  readonly #signal: AbortSignal;
  readonly #report: (progress: TransferProgress) => void;
  readonly #buffers: Buffer[] = [];
  readonly #underWay: Promise<void>[] = [];
  readonly #progress: TransferProgress = { bytesDone: 0, bytesTotal: 0 };

  constructor(channel: Channel, signal: AbortSignal, report: (progress: TransferProgress) => void) {
    this.#channel = channel;
    this.#signal = signal;
    this.#report = report;
  }

  async send(parts: StatePart[]): Promise<TransferProgress> {
    for (const part of parts) {
      for (const { lengthBytes } of piecesOf(part.extents, part.sizeBytes)) this.#progress.bytesTotal += lengthBytes;
    }
    for (const part of parts) await this.#sendPart(part);
    await this.#channel.send({ type: "StateEnd", parts: parts.length, dataBytes: this.#progress.bytesDone });
    return this.#progress;
  }

  async #sendPart(part: StatePart): Promise<void> {
    await this.#channel.send({ type: "PartBegin", name: part.name, sizeBytes: part.sizeBytes });
    const digest = new PartDigest();
    const before = this.#progress.bytesDone;
    const pieces = piecesOf(part.extents, part.sizeBytes);
    for (const [index, piece] of pieces.entries()) {
      this.#signal.throwIfAborted();
      const slot = index % piecesInFlight;
      await this.#underWay[slot];
      this.#buffers[slot] ??= Buffer.allocUnsafeSlow(longestBlockBytes);
      const buffer = this.#buffers[slot].subarray(0, piece.lengthBytes);
      await part.read(piece.offset, buffer, this.#signal);
      this.#underWay[slot] = this.#sendPiece(piece.offset, buffer, digest);
    }
    await Promise.all(this.#underWay);
    const dataBytes = this.#progress.bytesDone - before;
    await this.#channel.send({ type: "PartEnd", dataBytes, digest: digest.finish() });
  }

  /** Puts the piece's blocks on the connection in order, before it first waits. */
  #sendPiece(pieceOffset: number, buffer: Buffer, digest: PartDigest): Promise<void> {
    const ranges = nonZeroRanges(buffer);
    const sent = ranges.map((range) => {
      const data = buffer.subarray(range.offset, range.offset + range.lengthBytes);
      const offset = pieceOffset + range.offset;
      const hash = blockHash(data);
      digest.add(offset, data.length, hash);
      return this.#channel.send({ type: "Block", offset, hash, data });
    });
    const dataBytes = ranges.reduce((total, range) => total + range.lengthBytes, 0);
    this.#progress.bytesTotal -= buffer.length - dataBytes;
    this.#progress.bytesDone += dataBytes;
    this.#report(this.#progress);
    const done = Promise.all(sent).then(() => {});
    done.catch(() => {}); // awaited before the slot is used again
    return done;
  }
}
