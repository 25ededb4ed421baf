import { createHash } from "node:crypto";
import type { GuestConfiguration } from "../../protocol/types.ts";
import { type Extent, totalBytes } from "../qemu/extents.ts";
import { share } from "./overheads.ts";

/** Bytes at each end of a simulated part's data that are not zero, so that a transfer has something to lose. */
const edgeBytes = 4096;

/** What a simulated part looks like: how long, where its data lies, and what that is. */
export interface PartLayout {
  sizeBytes: number;
  extents: Extent[];
}

/**
 * Memory and disk of a guest: the share of its memory that is in use is its own, the same at every suspend. A guest is
 * known by its MAC address here, which it keeps when it is adopted under another uid.
 */
export function partLayouts({ macAddress, memoryBytes }: GuestConfiguration): Record<"memory" | "disk", PartLayout> {
  const usedBytes = pages(memoryBytes * (0.25 + 0.35 * share(`memory of ${macAddress}`)));
  const lowBytes = pages(usedBytes / 3);
  const overlayBytes = pages(memoryBytes * 0.05 * share(`disk of ${macAddress}`));
  return {
    memory: {
      sizeBytes: memoryBytes,
      extents: [
        { offset: 0, lengthBytes: lowBytes },
        { offset: memoryBytes - (usedBytes - lowBytes), lengthBytes: usedBytes - lowBytes },
      ],
    },
    disk: { sizeBytes: overlayBytes, extents: [{ offset: 0, lengthBytes: overlayBytes }] },
  };
}

export function layoutBytes(configuration: GuestConfiguration): number {
  const { memory, disk } = partLayouts(configuration);
  return totalBytes(memory.extents) + totalBytes(disk.extents);
}

/** The bytes of a part in a range: a pattern at both ends of each extent, zeros elsewhere. */
export function fillPayload(layout: PartLayout, pattern: string, offset: number, buffer: Buffer): void {
  buffer.fill(0);
  for (const edge of edges(layout)) {
    const content = edgeContent(pattern, edge);
    const from = Math.max(offset, edge);
    const to = Math.min(offset + buffer.length, edge + edgeBytes);
    if (from < to) content.copy(buffer, from - offset, from - edge, to - edge);
  }
}

/** Takes in what arrives of a part, in any order, and says in the end whether it was the payload and nothing else. */
export class PayloadCheck {
  readonly #layout: PartLayout;
  readonly #received = new Map<number, Buffer>();
  #hasStrayData = false;

  constructor(layout: PartLayout) {
    this.#layout = layout;
    for (const edge of edges(layout)) this.#received.set(edge, Buffer.alloc(edgeBytes));
  }

  write(offset: number, data: Buffer): void {
    const rest = Buffer.from(data);
    for (const [edge, content] of this.#received) {
      const from = Math.max(offset, edge);
      const to = Math.min(offset + data.length, edge + edgeBytes);
      if (from >= to) continue;
      data.copy(content, from - edge, from - offset, to - offset);
      rest.fill(0, from - offset, to - offset);
    }
    if (!isZero(rest)) this.#hasStrayData = true;
  }

  /** SHA-256 of what came, to be compared with `payloadChecksum`. */
  checksum(): string {
    const hash = createHash("sha256").update(`${this.#layout.sizeBytes} ${this.#hasStrayData}`);
    for (const content of this.#received.values()) hash.update(content);
    return hash.digest("hex");
  }
}

/** @param pattern what makes this payload differ from every other one */
export function payloadChecksum(layout: PartLayout, pattern: string): string {
  const check = new PayloadCheck(layout);
  for (const edge of edges(layout)) check.write(edge, edgeContent(pattern, edge));
  return check.checksum();
}

const zeros = Buffer.alloc(1024 * 1024);

/** Far faster than a look at each byte. */
function isZero(data: Buffer): boolean {
  for (let offset = 0; offset < data.length; offset += zeros.length) {
    const piece = data.subarray(offset, offset + zeros.length);
    if (!piece.equals(zeros.subarray(0, piece.length))) return false;
  }
  return true;
}

function edges({ extents }: PartLayout): number[] {
  return extents.flatMap(({ offset, lengthBytes }) =>
    lengthBytes < 2 * edgeBytes ? [] : [offset, offset + lengthBytes - edgeBytes],
  );
}

function edgeContent(pattern: string, edge: number): Buffer {
  const digest = createHash("sha256").update(`${pattern} ${edge}`).digest();
  return Buffer.alloc(edgeBytes, digest);
}

function pages(bytes: number): number {
  return Math.round(bytes / 4096) * 4096;
}
