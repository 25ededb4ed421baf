import { expect } from "chai";
import fc from "fast-check";
import { normalNumbers, randomNumbers } from "../../../hack/bench/model-generators.ts";
import { type DurationFit, fitDurations } from "../../../src/model/duration-fit.ts";
import type { DurationSample } from "../../../src/model/shapes.ts";

const mebibyte = 2 ** 20;
const sizes = [128, 256, 512, 1024];
const options = { assumedSecondsPerByte: 1e-8 };
const linear = (mebibytes: number) => 3 + 0.012 * mebibytes;

interface Truth {
  count: number;
  seconds?: (mebibytes: number, parallel: number) => number;
  noise?: number;
  seed?: number;
  parallel?: number[];
}

function samplesOf({ count, seconds = linear, noise = 0, seed = 1, parallel = [1] }: Truth): DurationSample[] {
  const uniform = randomNumbers(seed);
  const normal = normalNumbers(uniform);
  return Array.from({ length: count }, () => {
    const mebibytes = sizes[Math.floor(uniform() * sizes.length)] as number;
    const atOnce = parallel[Math.floor(uniform() * parallel.length)] as number;
    const measured = seconds(mebibytes, atOnce) * Math.max(0.1, 1 + noise * normal());
    return { stateBytes: mebibytes * mebibyte, seconds: measured, parallel: atOnce };
  });
}

/** Mean relative error of the fit against the truth over all sizes. */
function errorOf(fit: DurationFit, seconds: (mebibytes: number) => number = linear): number {
  const errors = sizes.map((size) => Math.abs(fit.seconds(size * mebibyte) / seconds(size) - 1));
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

describe("fitDurations", () => {
  it("should choose the form that the data has, and a given one when it is told so", () => {
    const curve = (mebibytes: number) => 1 + 2e-5 * mebibytes ** 2;
    const straight = samplesOf({ count: 40, noise: 0.05 });
    const curved = samplesOf({ count: 40, noise: 0.05, seconds: curve });
    expect(fitDurations(straight, options).form).to.equal("Linear");
    expect(fitDurations(curved, options).form).to.equal("Polynomial");
    expect(errorOf(fitDurations(curved, options), curve)).to.be.below(0.03);
    expect(fitDurations(curved, { ...options, form: "Linear" }).form).to.equal("Linear");
    expect(fitDurations(straight, { ...options, form: "Polynomial" }).form).to.equal("Polynomial");
  });

  it("should never predict less for more state, whatever it was shown", () => {
    const sample = fc.record({
      stateBytes: fc.integer({ min: 0, max: 2 ** 42 }),
      seconds: fc.double({ min: 0, max: 1e5, noNaN: true }),
      parallel: fc.integer({ min: 1, max: 8 }),
    });
    const bytes = fc.integer({ min: 0, max: 2 ** 43 });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 30 }), bytes, bytes, (samples, a, b) => {
        const fit = fitDurations(samples, options);
        const [less, more] = [fit.seconds(Math.min(a, b)), fit.seconds(Math.max(a, b))];
        expect(less).to.be.at.least(0);
        expect(more).to.be.at.least(less * (1 - 1e-9));
        expect(Number.isFinite(more)).to.equal(true);
      }),
    );
  });

  it("should not be moved by one observation that took ten times as long, wherever it is", () => {
    for (const count of [6, 10, 30]) {
      const clean = samplesOf({ count, noise: 0.03, seed: count });
      const before = fitDurations(clean, options);
      for (let index = 0; index < count; index++) {
        const wild = clean.map((each, at) => (at === index ? { ...each, seconds: 10 * each.seconds } : each));
        const after = fitDurations(wild, options);
        for (const size of sizes) {
          const moved = Math.abs(after.seconds(size * mebibyte) / before.seconds(size * mebibyte) - 1);
          expect(moved, `${count} observations, ${index} wild, ${size} MiB`).to.be.below(0.1);
        }
      }
    }
  });

  it("should drop a warm-up run", () => {
    const samples = samplesOf({ count: 8, noise: 0.02 });
    const cold = samples.map((each, index) => (index === 0 ? { ...each, seconds: 2.5 * each.seconds } : each));
    expect(errorOf(fitDurations(cold, options))).to.be.below(0.03);
  });

  it("should never get worse by data that it would have predicted", () => {
    const truth = fc.record({
      intercept: fc.double({ min: 0.5, max: 10, noNaN: true }),
      slope: fc.double({ min: 0.002, max: 0.1, noNaN: true }),
      noise: fc.double({ min: 0, max: 0.1, noNaN: true }),
      count: fc.integer({ min: 3, max: 60 }),
      seed: fc.integer({ min: 1, max: 1e6 }),
      size: fc.constantFrom(...sizes),
    });
    fc.assert(
      fc.property(truth, ({ intercept, slope, noise, count, seed, size }) => {
        const seconds = (mebibytes: number) => intercept + slope * mebibytes;
        const samples = samplesOf({ count, seconds, noise, seed });
        const before = fitDurations(samples, { ...options, form: "Linear" });
        const stateBytes = size * mebibyte;
        const own = { stateBytes, seconds: before.seconds(stateBytes), parallel: 1 };
        const after = fitDurations([...samples, own], { ...options, form: "Linear" });
        expect(Math.abs(after.seconds(stateBytes) / own.seconds - 1)).to.be.below(0.02 + noise / 2);
        expect(errorOf(after, seconds)).to.be.at.most(errorOf(before, seconds) + 0.02 + noise / 2);
      }),
      { numRuns: 200 },
    );
  });

  it("should get better on the average with every doubling of in-model data", () => {
    const meanError = (count: number) => {
      const errors = Array.from({ length: 60 }, (_, seed) =>
        errorOf(fitDurations(samplesOf({ count, noise: 0.08, seed: seed + 1 }), options)),
      );
      return errors.reduce((sum, error) => sum + error, 0) / errors.length;
    };
    const errors = [5, 10, 20, 40, 80].map(meanError);
    errors.slice(1).forEach((error, index) => {
      expect(error, `after ${5 * 2 ** (index + 1)}`).to.be.below(errors[index] as number);
    });
  });

  it("should follow a drift and tell how far it went, and see none where there is none", () => {
    const drifting = samplesOf({ count: 100, noise: 0.03 }).map((each, index) => ({
      ...each,
      seconds: each.seconds * (1 + 0.004 * index),
    }));
    const fit = fitDurations(drifting, options);
    expect(errorOf(fit, (size) => 1.4 * linear(size))).to.be.below(0.04);
    expect(fit.drift).to.be.within(0.1, 0.4);
    const drifts = Array.from({ length: 40 }, (_, seed) =>
      Math.abs(fitDurations(samplesOf({ count: 100, noise: 0.03, seed: seed + 1 }), options).drift),
    );
    expect(Math.max(...drifts)).to.be.below(0.1);
  });

  it("should learn contention that is no straight line", () => {
    const shared = (mebibytes: number, parallel: number) => linear(mebibytes) * parallel ** 0.7;
    const samples = samplesOf({ count: 120, noise: 0.03, seconds: shared, parallel: [1, 2, 4] });
    const fit = fitDurations(samples, options);
    for (const parallel of [1, 2, 4]) {
      for (const size of sizes) {
        expect(fit.seconds(size * mebibyte, parallel) / shared(size, parallel)).to.be.within(0.95, 1.05);
      }
    }
  });

  it("should stay finite with observations that contradict each other", () => {
    const samples = [1, 1000, 1, 1000, 1, 1000].map((seconds) => ({ stateBytes: mebibyte, seconds, parallel: 1 }));
    const fit = fitDurations(samples, options);
    expect(fit.seconds(mebibyte)).to.be.within(0, 1000);
    expect(fit.spread.relativeDeviation).to.satisfy(Number.isFinite);
  });
});
