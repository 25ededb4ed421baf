import { expect } from "chai";
import fc from "fast-check";
import { spreadSeconds } from "../../../src/model/duration-distribution.ts";
import type { MigrationPrediction } from "../../../src/model/predict-migration.ts";
import { predictSchedule, type ScheduledMove } from "../../../src/planner/schedule.ts";

const prediction = (copySeconds: number, ownSeconds: number): MigrationPrediction => ({
  suspendSeconds: ownSeconds / 2,
  copySeconds,
  resumeSeconds: ownSeconds / 2,
  totalSeconds: copySeconds + ownSeconds,
  standardDeviationSeconds: (copySeconds + ownSeconds) / 10,
  systematicStandardDeviationSeconds: (copySeconds + ownSeconds) / 20,
  degreesOfFreedom: 10,
  confidence: "high",
});
const move = (from: string, to: string, copy = 8, own = 2): ScheduledMove => ({
  from,
  to,
  prediction: prediction(copy, own),
});
const handlingSeconds = 0.3;

describe("predictSchedule", () => {
  it("should take no time for nothing", () => {
    expect(predictSchedule([], 3).meanSeconds).to.equal(0);
  });

  it("should add up what runs one after another", () => {
    const total = predictSchedule([move("a", "c"), move("a", "d"), move("b", "c")], 1);
    expect(total.meanSeconds).to.be.closeTo(30 + 4 * handlingSeconds, 1e-9);
    expect(total.systematicStandardDeviationSeconds).to.be.closeTo(1.5, 1e-9);
    expect(total.standardDeviationSeconds).to.be.closeTo(Math.sqrt(3 + 4 * 0.15 ** 2), 1e-9);
  });

  it("should run moves side by side when they share no link", () => {
    const total = predictSchedule([move("a", "c"), move("b", "d")], 2);
    expect(total.meanSeconds).to.be.closeTo(10 + 2 * handlingSeconds, 1e-9);
  });

  it("should share a link evenly, by source or target", () => {
    for (const pair of [
      [move("a", "c"), move("a", "d")],
      [move("a", "c"), move("b", "c")],
    ]) {
      expect(predictSchedule(pair, 2).meanSeconds).to.be.closeTo(18 + 2 * handlingSeconds, 1e-9);
    }
  });

  it("should count only what is left of a running move", () => {
    const running = { ...move("a", "c"), elapsedSeconds: 7 };
    expect(predictSchedule([running], 1).meanSeconds).to.be.closeTo(3 + handlingSeconds, 1e-9);
    const overdue = { ...move("a", "c"), elapsedSeconds: 70 };
    expect(predictSchedule([overdue], 1).meanSeconds).to.be.closeTo(1 + handlingSeconds, 1e-9);
  });

  it("should never be longer than one after another, nor shorter than the longest or an even share of the work", () => {
    const anyMove = fc
      .record({
        from: fc.constantFrom("a", "b", "c"),
        to: fc.constantFrom("x", "y", "z"),
        copy: fc.double({ min: 0, max: 100, noNaN: true }),
        own: fc.double({ min: 0, max: 10, noNaN: true }),
      })
      .map(({ from, to, copy, own }) => move(from, to, copy, own));
    fc.assert(
      fc.property(
        fc.array(anyMove, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 16 }),
        (moves, parallel) => {
          const sequence = predictSchedule(moves, 1);
          const total = predictSchedule(moves, parallel);
          const longest = Math.max(...moves.map((one) => one.prediction.totalSeconds));
          expect(total.meanSeconds).to.be.at.most(sequence.meanSeconds + 1e-6);
          expect(total.meanSeconds).to.be.at.least(longest);
          expect(total.meanSeconds * parallel).to.be.at.least(sequence.meanSeconds - handlingSeconds - 1e-6);
          expect(spreadSeconds(total)).to.be.above(0);
        },
      ),
    );
  });
});
