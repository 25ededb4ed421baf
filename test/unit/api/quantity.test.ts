import { expect } from "chai";
import fc from "fast-check";
import { formatBytes, formatMemory, parseMemory } from "../../../src/api/quantity.ts";

describe("memory sizes", () => {
  it("should read mebibytes, gibibytes and tebibytes", () => {
    expect(parseMemory("512Mi")).to.equal(536_870_912);
    expect(parseMemory("4Gi")).to.equal(4 * 2 ** 30);
    expect(parseMemory("1Ti")).to.equal(2 ** 40);
  });

  it("should refuse what is no size and name it", () => {
    for (const text of ["", "512", "512M", "-1Gi", "0Mi", "1.5Gi", "12345678Mi", "512mi", " 1Gi"]) {
      expect(() => parseMemory(text), text).to.throw(RangeError, JSON.stringify(text));
    }
  });

  it("should print what it reads back as the same number of bytes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9_999_999 }), (mebibytes) => {
        const bytes = mebibytes * 2 ** 20;
        expect(parseMemory(formatMemory(bytes))).to.equal(bytes);
      }),
    );
  });

  it("should print bytes in the unit that people read", () => {
    expect(formatBytes(512)).to.equal("0.5 KiB");
    expect(formatBytes(116 * 2 ** 20)).to.equal("116.0 MiB");
    expect(formatBytes(3 * 2 ** 29)).to.equal("1.5 GiB");
  });
});
