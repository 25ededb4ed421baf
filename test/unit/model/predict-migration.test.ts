import { expect } from "chai";
import fc from "fast-check";
import type { OverheadModelStatus } from "../../../src/api/types.gen.ts";
import { inSequence, probabilityWithin, quantileSeconds } from "../../../src/model/duration-distribution.ts";
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
  return sizes.reduce<OverheadModelStatus>(
    (status, size, index) =>
      observe(status, {
        id: `m-${index}`,
        role: "Both",
        finishedAt: new Date(index * 1000).toISOString(),
        stateBytes: size * mebibyte,
        measuredMilliseconds: truth(size, factor(index)),
      }),
    {},
  );
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
        const learned = list.reduce<OverheadModelStatus>(
          (status, { size, suspend, copy, resume, rest }, index) =>
            observe(status, {
              id: String(index),
              stateBytes: size * mebibyte,
              measuredMilliseconds: { suspend, copy, resume, total: suspend + copy + resume + rest },
            }),
          {},
        );
        const inputs = { source: learned, target: learned, linkBytesPerSecond };
        const small = predictMigration({ ...inputs, stateBytes: Math.min(a, b) });
        const large = predictMigration({ ...inputs, stateBytes: Math.max(a, b) });
        for (const value of Object.values(small)) if (typeof value === "number") expect(value).to.be.at.least(0);
        expect(large.totalSeconds).to.be.at.least(small.totalSeconds * (1 - 1e-12));
      }),
    );
  });

  it("should keep what its quantiles promise", () => {
    // 400 models of 15 noisy observations each, and how often a next migration stays within its 90 % quantile.
    let seed = 1;
    const uniform = () => {
      seed = (seed * 48271) % 2147483647;
      return seed / 2147483647;
    };
    const noise = () => 1 + 0.1 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    let within = 0;
    const trials = 400;
    for (let trial = 0; trial < trials; trial++) {
      const learned = model(
        Array.from({ length: 15 }, () => 64 + Math.round(uniform() * 400)),
        noise,
      );
      const prediction = predictMigration({
        source: learned,
        target: learned,
        stateBytes: 200 * mebibyte,
        linkBytesPerSecond,
      });
      const limit = quantileSeconds({ ...prediction, meanSeconds: prediction.totalSeconds }, 0.9);
      if (truth(200, noise()).total / 1000 <= limit) within++;
    }
    // Here all phases err together, the hardest case for a sum of phases taken as independent: issue 3 tightens this.
    expect(within / trials).to.be.within(0.75, 0.97);
  });

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
