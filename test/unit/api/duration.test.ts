import { expect } from "chai";
import fc from "fast-check";
import { formatSeconds, parseDuration } from "../../../src/api/duration.ts";

describe("durations", () => {
  it("should read hours, minutes and seconds", () => {
    expect(parseDuration("90s")).to.equal(90);
    expect(parseDuration("15m")).to.equal(900);
    expect(parseDuration("1h30m")).to.equal(5400);
    expect(parseDuration("720h")).to.equal(2_592_000);
  });

  it("should refuse what is no duration and name it", () => {
    for (const text of ["", "15", "m", "1d", "-5m", "1.5h", "5s1m", "1h 30m"]) {
      expect(() => parseDuration(text), text).to.throw(RangeError, JSON.stringify(text));
    }
  });

  it("should read any mixture of units as their sum", () => {
    const part = fc.integer({ min: 0, max: 9999 });
    fc.assert(
      fc.property(part, part, part, (hours, minutes, seconds) => {
        expect(parseDuration(`${hours}h${minutes}m${seconds}s`)).to.equal(hours * 3600 + minutes * 60 + seconds);
      }),
    );
  });

  it("should print seconds for people", () => {
    expect(formatSeconds(4.23)).to.equal("4.2s");
    expect(formatSeconds(-4.23)).to.equal("-4.2s");
    expect(formatSeconds(59.96)).to.equal("1m0s");
    expect(formatSeconds(72)).to.equal("1m12s");
    expect(formatSeconds(7500)).to.equal("2h5m");
  });
});
