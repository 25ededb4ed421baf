import { expect } from "chai";
import fc from "fast-check";
import { nonZeroRanges, piecesOf } from "../../../../src/agent/transfer/extents.ts";
import { blockAlignmentBytes, longestBlockBytes } from "../../../../src/agent/transfer/frames.ts";

describe("the ranges of a part that travel", () => {
  const size = fc.integer({ min: 1, max: 20_000_000 });
  const gaps = fc.array(fc.tuple(fc.nat({ max: 3_000_000 }), fc.nat({ max: 3_000_000 })), { maxLength: 10 });

  it("should cover every extent with aligned pieces that do not overlap", () => {
    fc.assert(
      fc.property(size, gaps, (sizeBytes, lengths) => {
        const extents = extentsOf(lengths, sizeBytes);
        const pieces = piecesOf(extents, sizeBytes);
        let end = 0;
        for (const piece of pieces) {
          expect(piece.offset % blockAlignmentBytes).to.equal(0);
          expect(piece.lengthBytes).to.be.within(1, longestBlockBytes);
          expect(piece.offset).to.be.at.least(end);
          end = piece.offset + piece.lengthBytes;
        }
        expect(end).to.be.at.most(sizeBytes);
        for (const { offset, lengthBytes } of extents) {
          for (const at of [offset, offset + lengthBytes - 1]) {
            const covering = pieces.filter((piece) => piece.offset <= at && at < piece.offset + piece.lengthBytes);
            expect(covering, `byte ${at}`).to.have.length(1);
          }
        }
      }),
    );
  });

  it("should leave out zero blocks and nothing else", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400_000 }), fc.array(fc.nat(), { maxLength: 5 }), (length, places) => {
        const buffer = Buffer.alloc(length);
        for (const place of places) buffer.writeUInt8(1, place % length);
        const rebuilt = Buffer.alloc(length);
        for (const { offset, lengthBytes } of nonZeroRanges(buffer)) {
          buffer.copy(rebuilt, offset, offset, offset + lengthBytes);
          for (let at = offset; at < offset + lengthBytes; at += blockAlignmentBytes) {
            const block = buffer.subarray(at, Math.min(at + blockAlignmentBytes, offset + lengthBytes));
            expect(block.some((byte) => byte !== 0)).to.equal(true);
          }
        }
        expect(rebuilt.equals(buffer)).to.equal(true);
      }),
    );
  });
});

function extentsOf(lengths: [number, number][], sizeBytes: number) {
  const extents: { offset: number; lengthBytes: number }[] = [];
  let at = 0;
  for (const [gap, length] of lengths) {
    at += gap;
    const lengthBytes = Math.min(length, sizeBytes - at);
    if (lengthBytes <= 0) continue;
    extents.push({ offset: at, lengthBytes });
    at += lengthBytes;
  }
  return extents;
}
