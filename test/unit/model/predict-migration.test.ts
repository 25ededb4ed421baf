import { expect } from "chai";
import fc from "fast-check";
import { normalNumbers, randomNumbers } from "../../../hack/bench/model-generators.ts";
import type { OverheadModelStatus } from "../../../src/api/types.gen.ts";
import {
  type DurationDistribution,
  inSequence,
  probabilityWithin,
  quantileSeconds,
} from "../../../src/model/duration-distribution.ts";
import { observe } from "../../../src/model/observe.ts";
import { predictMigration } from "../../../src/model/predict-migration.ts";

const mebibyte = 2 ** 20;
const linkBytesPerSecond = 125e6;

/** Milliseconds of a host whose phases are straight lines. */
function truth(sizeMebibytes: number, factor = 1) {
  const suspend = factor * (50 + 0.5 * sizeMebibytes);
  const copy = factor * (200 + 9 * sizeMebibytes);
  const resume = factor * (100 + 0.2 * sizeMebibytes);
  return { suspend, copy, resume, total: factor * 1000 + suspend + copy + resume };
}

function model(sizes: number[], factor: (index: number) => number = () => 1): OverheadModelStatus {
  const observations = sizes.map((size, index) => ({
    id: `m-${index}`,
    role: "Both" as const,
    finishedAt: new Date(index * 1000).toISOString(),
    stateBytes: size * mebibyte,
    measuredMilliseconds: truth(size, factor(index)),
  }));
  return observe({}, observations, { form: "Linear" });
}

describe("predictMigration", () => {
  it("should predict from the link's bandwidth with low confidence when nothing was measured", () => {
    const prediction = predictMigration({ stateBytes: 1024 * mebibyte, linkBytesPerSecond });
    expect(prediction.confidence).to.equal("low");
    expect(prediction.copySeconds).to.be.above((1024 * mebibyte) / linkBytesPerSecond);
    const faster = predictMigration({ stateBytes: 1024 * mebibyte, linkBytesPerSecond: 10 * linkBytesPerSecond });
    expect(faster.copySeconds).to.be.below(prediction.copySeconds / 4);
  });

  it("should predict each phase and the preparation from three observations", () => {
    const learned = model([64, 128, 256]);
    const prediction = predictMigration({
      source: learned,
      target: learned,
      stateBytes: 200 * mebibyte,
      linkBytesPerSecond,
    });
    const expected = truth(200);
    expect(prediction.suspendSeconds).to.be.closeTo(expected.suspend / 1000, 1e-6);
    expect(prediction.copySeconds).to.be.closeTo(expected.copy / 1000, 1e-6);
    expect(prediction.resumeSeconds).to.be.closeTo(expected.resume / 1000, 1e-6);
    expect(prediction.totalSeconds).to.be.closeTo(expected.total / 1000, 1e-6);
    expect(prediction.confidence).to.equal("medium");
  });

  it("should take the suspend from the source's model and the rest from the target's", () => {
    const source = model([64, 128, 256]);
    const target = model([64, 128, 256], () => 3);
    const prediction = predictMigration({ source, target, stateBytes: 128 * mebibyte, linkBytesPerSecond });
    expect(prediction.suspendSeconds).to.be.closeTo(truth(128).suspend / 1000, 1e-6);
    expect(prediction.copySeconds).to.be.closeTo(truth(128, 3).copy / 1000, 1e-6);
    expect(prediction.resumeSeconds).to.be.closeTo(truth(128, 3).resume / 1000, 1e-6);
  });

  it("should be highly confident after many observations, but not far beyond them", () => {
    const learned = model(Array.from({ length: 12 }, (_, index) => 64 + 16 * index));
    const at = (size: number) =>
      predictMigration({ source: learned, target: learned, stateBytes: size * mebibyte, linkBytesPerSecond });
    expect(at(128).confidence).to.equal("high");
    expect(at(4096).confidence).to.equal("medium");
  });

  it("should not promise precision after three observations that happen to lie on a line", () => {
    const learned = model([64, 128, 256]);
    const prediction = predictMigration({
      source: learned,
      target: learned,
      stateBytes: 128 * mebibyte,
      linkBytesPerSecond,
    });
    expect(prediction.standardDeviationSeconds / prediction.totalSeconds).to.be.within(0.03, 0.1);
  });

  it("should never predict less time for more state, nor anything negative", () => {
    const observations = fc.array(
      fc.record({
        size: fc.integer({ min: 0, max: 2 ** 20 }),
        suspend: fc.integer({ min: 0, max: 1e7 }),
        copy: fc.integer({ min: 0, max: 1e7 }),
        resume: fc.integer({ min: 0, max: 1e7 }),
        rest: fc.integer({ min: -1e6, max: 1e6 }),
      }),
      { maxLength: 20 },
    );
    const bytes = fc.integer({ min: 0, max: 2 ** 42 });
    fc.assert(
      fc.property(observations, bytes, bytes, (list, a, b) => {
        const learned = observe(
          {},
          list.map(({ size, suspend, copy, resume, rest }, index) => ({
            id: String(index),
            stateBytes: size * mebibyte,
            measuredMilliseconds: { suspend, copy, resume, total: suspend + copy + resume + rest },
          })),
        );
        const inputs = { source: learned, target: learned, linkBytesPerSecond };
        const small = predictMigration({ ...inputs, stateBytes: Math.min(a, b) });
        const large = predictMigration({ ...inputs, stateBytes: Math.max(a, b) });
        for (const value of Object.values(small)) if (typeof value === "number") expect(value).to.be.at.least(0);
        expect(large.totalSeconds).to.be.at.least(small.totalSeconds * (1 - 1e-12));
      }),
    );
  });

  /** Draws of a next migration, and of a plan of five, and how many stayed within their quantiles. */
  function coverage(noiseOf: (normal: () => number) => number, quantile: number, observations: number) {
    const uniform = randomNumbers(11);
    const normal = normalNumbers(uniform);
    const randomSize = () => 64 + Math.round(uniform() * 400);
    const noise = () => noiseOf(normal);
    const count = { draws: 0, single: 0, plan: 0 };
    for (let trial = 0; trial < 1200; trial++) {
      const learned = model(Array.from({ length: observations }, randomSize), noise);
      const next = Array.from({ length: 5 }, randomSize);
      const parts = next.map((size) => {
        const inputs = { source: learned, target: learned, stateBytes: size * mebibyte, linkBytesPerSecond };
        const prediction = predictMigration(inputs);
        return { ...prediction, meanSeconds: prediction.totalSeconds };
      });
      const planLimit = quantileSeconds(inSequence(parts), quantile);
      const singleLimit = quantileSeconds(parts[0] as DurationDistribution, quantile);
      for (let draw = 0; draw < 5; draw++) {
        const seconds = next.map((size) => truth(size, noise()).total / 1000);
        count.draws++;
        if ((seconds[0] as number) <= singleLimit) count.single++;
        if (seconds.reduce((sum, each) => sum + each, 0) <= planLimit) count.plan++;
      }
    }
    return { single: count.single / count.draws, plan: count.plan / count.draws };
  }

  // All phases of a migration err together here, the hardest case for a sum of phases.
  for (const noise of [0.03, 0.1]) {
    it(`should keep what its quantiles promise with ${noise * 100} % noise, for one VM and for a plan`, () => {
      const { single, plan } = coverage((normal) => 1 + noise * normal(), 0.9, 30);
      expect(single, "one VM").to.be.within(0.89, 0.91);
      expect(plan, "a plan").to.be.within(0.89, 0.91);
    }).timeout(60_000);
  }

  it("should refuse sizes and bandwidths that make no sense", () => {
    for (const stateBytes of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => predictMigration({ stateBytes, linkBytesPerSecond })).to.throw(RangeError, "stateBytes");
    }
    expect(() => predictMigration({ stateBytes: 1, linkBytesPerSecond: 0 })).to.throw(RangeError, "linkBytesPerSecond");
  });
});

describe("a duration's distribution", () => {
  const part = {
    meanSeconds: 10,
    standardDeviationSeconds: 1,
    systematicStandardDeviationSeconds: 0.5,
    degreesOfFreedom: 8,
  };

  it("should even out what differs and add up what is shared", () => {
    const sum = inSequence([part, part, part, part]);
    expect(sum).to.deep.equal({
      meanSeconds: 40,
      standardDeviationSeconds: 2,
      systematicStandardDeviationSeconds: 2,
      degreesOfFreedom: 8,
    });
  });

  it("should have a probability that inverts its quantile", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 0.999, noNaN: true }), (probability) => {
        expect(probabilityWithin(part, quantileSeconds(part, probability))).to.be.closeTo(probability, 1e-6);
      }),
    );
  });

  it("should be over at once when there is nothing to do", () => {
    expect(quantileSeconds(inSequence([]), 0.99)).to.equal(0);
    expect(probabilityWithin(inSequence([]), 0)).to.equal(1);
    expect(probabilityWithin(inSequence([]), -1)).to.equal(0);
  });
});
