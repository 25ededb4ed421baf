import { expect } from "chai";
import fc from "fast-check";
import type { OverheadModelStatus } from "../../../src/api/types.gen.ts";
import { driftsOf, observe } from "../../../src/model/observe.ts";
import type { Observation } from "../../../src/model/phase-fits.ts";

const mebibyte = 2 ** 20;

function observation(index: number, overrides: Partial<Observation> = {}): Observation {
  const size = 100 + 10 * index;
  return {
    id: `m-${index}`,
    finishedAt: new Date(1e12 + index * 1000).toISOString(),
    role: "Both",
    stateBytes: size * mebibyte,
    measuredMilliseconds: { suspend: 100 + size, copy: 10 * size, resume: 50, total: 650 + 11 * size },
    predictedMilliseconds: { suspend: 100 + size, copy: 11 * size, resume: 50, total: 650 + 12 * size },
    ...overrides,
  };
}

const learn = (observations: Observation[], historySize = 100, from: OverheadModelStatus = {}) =>
  observe(from, observations, { historySize });
const numbered = (count: number) => Array.from({ length: count }, (_, index) => observation(index));

describe("observe", () => {
  it("should fit each phase", () => {
    const status = learn(numbered(10));
    expect(status.suspend).to.include({ interceptMicroseconds: 100_000, nanosecondsPerMebibyte: 1_000_000 });
    expect(status.copy).to.include({ interceptMicroseconds: 0, nanosecondsPerMebibyte: 10_000_000 });
    expect(status.resume).to.include({ interceptMicroseconds: 50_000, nanosecondsPerMebibyte: 0 });
    expect(status.copyRate).to.equal("105 MB/s");
    expect(status.observationCount).to.equal(10);
  });

  it("should publish no coefficients before the third observation", () => {
    expect(learn(numbered(2)).copy).to.deep.equal({ observations: 2 });
    expect(learn(numbered(3)).copy).to.have.property("nanosecondsPerMebibyte");
  });

  it("should learn the same one by one and all at once", () => {
    const all = numbered(12);
    const oneByOne = all.reduce<OverheadModelStatus>((status, one) => observe(status, [one]), {});
    expect(oneByOne).to.deep.equal(observe({}, all));
  });

  it("should choose the form, or take the one that the spec names", () => {
    const curved = numbered(30).map((one, index) => ({
      ...one,
      measuredMilliseconds: { ...one.measuredMilliseconds, copy: 1000 + 0.05 * (100 + 10 * index) ** 2 },
    }));
    const auto = observe({}, curved);
    expect([auto.suspend?.form, auto.copy?.form]).to.deep.equal(["Linear", "Polynomial"]);
    expect(auto.copy?.nanosecondsPerSquareMebibyte).to.be.closeTo(50_000, 500);
    const straight = observe(auto, [], { form: "Linear" });
    expect(straight.copy?.form).to.equal("Linear");
    expect(straight.copy).to.not.have.property("nanosecondsPerSquareMebibyte");
  });

  it("should show a drift with its size, and none where there is none", () => {
    const slower = numbered(40).map((one, index) => {
      const size = 100 + 100 * (index % 5);
      const copy = 10 * size * (index < 25 ? 1 : 1.5);
      return { ...one, stateBytes: size * mebibyte, measuredMilliseconds: { suspend: 100 + size, copy, resume: 50 } };
    });
    const [drift, ...others] = driftsOf(learn(slower));
    expect(others).to.deep.equal([]);
    expect(drift?.phase).to.equal("copy");
    expect(drift?.share).to.be.within(0.3, 0.6);
    expect(driftsOf(learn(numbered(40)))).to.deep.equal([]);
    expect(driftsOf({})).to.deep.equal([]);
  });

  it("should score the recorded predictions, without those made before it knew anything", () => {
    const wild = { suspend: 1, copy: 1, resume: 1, total: 1 };
    const first = numbered(3).map((one) => ({ ...one, predictedMilliseconds: wild }));
    const status = learn([...first, ...numbered(10).slice(3)]);
    expect(status.copy).to.include({ mape: "10.0%", p90: "10.0%", bias: "10.0%" });
    expect(status.suspend).to.include({ mape: "0.0%", bias: "0.0%" });
    expect(status.total?.observations).to.equal(7);
  });

  it("should show a negative bias when predictions were too short", () => {
    const short = numbered(6).map((one) => ({
      ...one,
      predictedMilliseconds: { ...one.measuredMilliseconds, copy: (one.measuredMilliseconds?.copy ?? 0) / 2 },
    }));
    expect(learn(short).copy).to.include({ mape: "50.0%", bias: "-50.0%" });
  });

  it("should learn nothing twice, also not what has faded", () => {
    const all = numbered(30);
    const once = learn(all, 5);
    expect(learn(all, 5, once)).to.equal(once);
    expect(once.observationCount).to.equal(30);
    expect(once.history?.map(({ id }) => id)).to.deep.equal(["m-25", "m-26", "m-27", "m-28", "m-29"]);
  });

  it("should keep the history of both roles bounded by itself", () => {
    const sources = numbered(20).map((one, index) => ({ ...one, id: `s-${index}`, role: "Source" as const }));
    const targets = numbered(3).map((one, index) => ({ ...one, id: `t-${index}`, role: "Target" as const }));
    const status = learn([...targets, ...sources], 5);
    expect(status.history?.filter(({ role }) => role === "Source")).to.have.length(5);
    expect(status.history?.filter(({ role }) => role === "Target")).to.have.length(3);
    expect(status.suspend?.observations).to.equal(5);
    expect(status.copy?.observations).to.equal(3);
  });

  it("should end at the same model whatever the order in which observations arrive", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(numbered(12), { minLength: 12, maxLength: 12 }), (shuffled) => {
        expect(learn(shuffled)).to.deep.equal(learn(numbered(12)));
      }),
    );
  });

  it("should leave out measures that make no sense and survive them", () => {
    const nonsense = [Number.NaN, -5, Number.POSITIVE_INFINITY].map((value, index) =>
      observation(20 + index, { measuredMilliseconds: { suspend: value, copy: value, resume: value, total: value } }),
    );
    const status = learn([...numbered(6), ...nonsense]);
    expect(status.copy).to.include({ observations: 6, nanosecondsPerMebibyte: 10_000_000 });
  });

  it("should prefer migrations that ran alone", () => {
    const crowded = numbered(6).map((one) => ({
      ...one,
      id: `p-${one.id}`,
      parallel: 4,
      measuredMilliseconds: { ...one.measuredMilliseconds, copy: 9999 },
    }));
    expect(learn([...numbered(6), ...crowded]).copy).to.include({ nanosecondsPerMebibyte: 10_000_000 });
  });
});
