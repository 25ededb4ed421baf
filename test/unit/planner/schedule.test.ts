import { expect } from "chai";
import fc from "fast-check";
import { quantileSeconds, spreadSeconds } from "../../../src/model/duration-distribution.ts";
import type { MigrationPrediction } from "../../../src/model/predict-migration.ts";
import { normalDraws } from "../../../src/planner/normal-draws.ts";
import { expectedSeconds, predictSchedule, type ScheduledMove } from "../../../src/planner/schedule.ts";

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
const scaled = (one: ScheduledMove, factor: number): ScheduledMove => ({
  ...one,
  prediction: prediction(one.prediction.copySeconds * factor, 2 * one.prediction.suspendSeconds * factor),
});
const certain = (one: ScheduledMove): ScheduledMove => ({
  ...one,
  prediction: { ...one.prediction, standardDeviationSeconds: 0, systematicStandardDeviationSeconds: 0 },
});

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

  it("should run moves side by side when they share no link, and wait for the slower one", () => {
    const pair = [move("a", "c"), move("b", "d")];
    expect(predictSchedule(pair.map(certain), 2).meanSeconds).to.be.closeTo(10 + 2 * handlingSeconds, 0.1);
    // The larger of two normal values lies 1/√π standard deviations above their mean.
    const later = 1 / Math.sqrt(Math.PI);
    expect(predictSchedule(pair, 2).meanSeconds).to.be.closeTo(10 + 2 * handlingSeconds + later, 0.1);
  });

  it("should share a link evenly, by source or target", () => {
    for (const pair of [
      [move("a", "c"), move("a", "d")],
      [move("a", "c"), move("b", "c")],
    ]) {
      expect(predictSchedule(pair.map(certain), 2).meanSeconds).to.be.closeTo(18 + 2 * handlingSeconds, 0.1);
    }
  });

  it("should take longer at once than one after another where that was observed", () => {
    // Published: one after another 206 s, four at once 269 s.
    const alone = 206 / 4 - handlingSeconds;
    const contention = { preparation: 0, suspend: 0, copy: (269 / alone - 1) / 3, resume: 0 };
    const four = [1, 2, 3, 4].map(() => ({ ...certain(move("a", "b", alone, 0)), contention }));
    expect(predictSchedule(four, 1).meanSeconds).to.be.closeTo(206, 0.5);
    expect(predictSchedule(four, 4).meanSeconds).to.be.closeTo(269, 1);
  });

  it("should begin a move only when those that it waits for are over", () => {
    const first = { ...certain(move("b", "c")), guest: { uid: "first" } };
    const second = { ...certain(move("a", "b")), guest: { uid: "second" }, waitsFor: ["first"] };
    expect(predictSchedule([second, first], 2).meanSeconds).to.be.closeTo(20 + 3 * handlingSeconds, 0.1);
    const circle = [second, { ...first, waitsFor: ["second"] }];
    expect(predictSchedule(circle, 2).meanSeconds).to.be.closeTo(20 + 3 * handlingSeconds, 0.1);
  });

  it("should hold what its quantiles say, however many at once", () => {
    const hosts = ["a", "b", "c"];
    const moves = Array.from({ length: 12 }, (_, index) =>
      move(hosts[index % 3] ?? "", `target-${index % 4}`, 4 + index, 2),
    );
    // Drawn by other means than the prediction's own: a fresh seed, and every phase by itself.
    const normal = normalDraws(4711);
    for (const parallel of [1, 2, 4]) {
      const within = quantileSeconds({ ...predictSchedule(moves, parallel), degreesOfFreedom: 1e6 }, 0.9);
      let covered = 0;
      const draws = 3000;
      for (let draw = 0; draw < draws; draw++) {
        const shared = normal() / 20;
        const drawn = moves.map((one) => certain(scaled(one, 1 + shared + normal() / 10)));
        covered += expectedSeconds(drawn, parallel) + handlingSeconds <= within ? 1 : 0;
      }
      expect(covered / draws, `${parallel} at once`).to.be.within(0.88, 0.92);
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
