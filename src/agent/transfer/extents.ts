import { blockAlignmentBytes, longestBlockBytes } from "./frames.ts";

export interface Range {
  offset: number;
  lengthBytes: number;
}

const zeros = Buffer.alloc(blockAlignmentBytes);

/**
 * The ranges widened to whole aligned blocks (the last one ends with the file), merged, and cut into pieces of at most
 * `longestBlockBytes`. Ascending.
 */
export function piecesOf(extents: Range[], sizeBytes: number): Range[] {
  const pieces: Range[] = [];
  let done = 0;
  for (const { offset, lengthBytes } of extents) {
    if (lengthBytes <= 0) continue;
    const start = Math.max(done, alignDown(offset));
    const end = Math.min(sizeBytes, alignDown(offset + lengthBytes - 1) + blockAlignmentBytes);
    for (let at = start; at < end; at += longestBlockBytes) {
      pieces.push({ offset: at, lengthBytes: Math.min(longestBlockBytes, end - at) });
    }
    done = Math.max(done, end);
  }
  return pieces;
}

/** The ranges within the buffer, in whole blocks, that are not all zero. */
export function nonZeroRanges(buffer: Buffer): Range[] {
  const ranges: Range[] = [];
  for (let offset = 0; offset < buffer.length; offset += blockAlignmentBytes) {
    const block = buffer.subarray(offset, offset + blockAlignmentBytes);
    if (block.equals(zeros.subarray(0, block.length))) continue;
    const last = ranges.at(-1);
    if (last && last.offset + last.lengthBytes === offset) last.lengthBytes += block.length;
    else ranges.push({ offset, lengthBytes: block.length });
  }
  return ranges;
}

function alignDown(offset: number): number {
  return offset - (offset % blockAlignmentBytes);
}
