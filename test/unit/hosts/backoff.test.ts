import { expect } from "chai";
import { assert, double, integer, property } from "fast-check";
import { Backoff } from "../../../src/hosts/backoff.ts";

describe("Backoff", () => {
  it("should double the pause up to the longest, and begin anew after a success", () => {
    const backoff = new Backoff(100, 500, () => 1 - Number.EPSILON);
    const pauses = Array.from({ length: 5 }, () => Math.round(backoff.next()));
    expect(pauses).to.deep.equal([100, 200, 400, 500, 500]);
    backoff.reset();
    expect(Math.round(backoff.next())).to.equal(100);
  });

  it("should stay between half of and the whole longest pause, however often it failed", () => {
    assert(
      property(
        integer({ min: 10, max: 5000 }),
        double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, random) => {
          const backoff = new Backoff(500, 30_000, () => random);
          for (let failure = 0; failure < failures; failure++) backoff.next();
          const pause = backoff.next();
          expect(pause).to.be.at.least(15_000).and.at.most(30_000);
        },
      ),
      { numRuns: 50 },
    );
  });
});
