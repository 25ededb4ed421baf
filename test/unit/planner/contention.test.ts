import { expect } from "chai";
import type { OverheadModelStatus } from "../../../src/api/types.gen.ts";
import { assumedContention, contentionBetween } from "../../../src/planner/contention.ts";
import { mebibyte } from "./builders.ts";

type Observation = NonNullable<OverheadModelStatus["history"]>[number];

/** Copies of 100 MiB take 1 s alone, and `slowdown` s with so many others. */
function history(slowdown: (parallel: number) => number, parallels: readonly number[]): Observation[] {
  return parallels.map((parallel, index) => ({
    id: `m-${index}`,
    role: "Both",
    parallel,
    stateBytes: (100 + 10 * index) * mebibyte,
    measuredMilliseconds: {
      suspend: 50,
      copy: (1000 + 100 * index) * (parallel > 1 ? slowdown(parallel) : 1),
      resume: 100,
      total: 5000,
    },
  }));
}

const aloneThenFour = [1, 1, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4];

describe("contentionBetween", () => {
  it("should assume an even share of the link while nothing was seen", () => {
    expect(contentionBetween(undefined, undefined)).to.deep.equal(assumedContention);
    expect(contentionBetween({}, { history: history(() => 1, [1, 1, 1]) })).to.deep.equal(assumedContention);
  });

  it("should learn that migrations at once take longer than one after another", () => {
    const worse = { history: history((parallel) => 1 + 1.4 * (parallel - 1), aloneThenFour) };
    expect(contentionBetween(undefined, worse).copy).to.be.closeTo(1.4, 0.05);
    expect(contentionBetween(worse, undefined).copy).to.equal(1);
  });

  it("should learn that a link has room for several", () => {
    const better = { history: history(() => 1.1, aloneThenFour) };
    expect(contentionBetween(undefined, better).copy).to.be.closeTo(0.03, 0.02);
  });

  it("should not be moved by one that hung, nor by nonsense", () => {
    const list = history((parallel) => 1 + 0.5 * (parallel - 1), aloneThenFour);
    const hung = { ...list[5], id: "hung", measuredMilliseconds: { copy: 600_000 } } as Observation;
    const nonsense = { ...list[5], id: "nan", measuredMilliseconds: { copy: Number.NaN } } as Observation;
    expect(contentionBetween(undefined, { history: [...list, hung, nonsense] }).copy).to.be.closeTo(0.5, 0.05);
  });

  it("should go by what is assumed as long as nothing ran alone", () => {
    expect(contentionBetween(undefined, { history: history(() => 9, [4, 4, 4, 4]) })).to.deep.equal(assumedContention);
  });
});
