import { expect } from "chai";
import fc from "fast-check";
import { parseMap, totalBytes } from "../../../../../src/agent/drivers/qemu/extents.ts";

describe("extents", () => {
  it("should keep the ranges with data, and join those that touch", () => {
    const map = [
      { start: 0, length: 4096, depth: 0, present: true, zero: false, data: true, offset: 0 },
      { start: 4096, length: 4096, depth: 0, present: true, zero: true, data: true, offset: 4096 },
      { start: 8192, length: 8192, depth: 0, present: true, zero: true, data: false, offset: 8192 },
      { start: 16384, length: 512, depth: 0, present: true, zero: false, data: true, offset: 16384 },
    ];
    const extents = parseMap(JSON.stringify(map));
    expect(extents).to.deep.equal([
      { offset: 0, lengthBytes: 8192 },
      { offset: 16384, lengthBytes: 512 },
    ]);
    expect(totalBytes(extents)).to.equal(8704);
    expect(parseMap("[]")).to.deep.equal([]);
  });

  it("should neither lose nor add a byte of data, ascending and apart", () => {
    const pieces = fc.array(fc.record({ length: fc.integer({ min: 1, max: 1e6 }), data: fc.boolean() }));
    fc.assert(
      fc.property(pieces, (lengths) => {
        let start = 0;
        const map = lengths.map(({ length, data }) => {
          start += length;
          return { start: start - length, length, data };
        });
        const extents = parseMap(JSON.stringify(map));
        const expected = map.filter(({ data }) => data).reduce((sum, { length }) => sum + length, 0);
        expect(totalBytes(extents)).to.equal(expected);
        for (const [index, extent] of extents.entries()) {
          const next = extents[index + 1];
          if (next) expect(extent.offset + extent.lengthBytes).to.be.below(next.offset);
        }
      }),
    );
  });
});
