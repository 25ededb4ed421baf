import { expect } from "chai";
import fc from "fast-check";
import { fitLine, fittedSeconds } from "../../../src/model/linear-fit.ts";

const mebibyte = 2 ** 20;
const point = fc.record({
  stateBytes: fc.integer({ min: 0, max: 2 ** 40 }),
  seconds: fc.double({ min: 0, max: 1e5, noNaN: true }),
});

describe("fitLine", () => {
  it("should find the line that the points lie on", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        fc.double({ min: 1e-10, max: 1e-6, noNaN: true }),
        fc.uniqueArray(fc.integer({ min: 1, max: 4096 }), { minLength: 3, maxLength: 50 }),
        (intercept, slope, sizes) => {
          fc.pre(Math.max(...sizes) > 2 * Math.min(...sizes));
          const points = sizes.map((size) => ({
            stateBytes: size * mebibyte,
            seconds: intercept + slope * size * mebibyte,
          }));
          const fit = fitLine(points, 0);
          expect(fit.secondsPerByte).to.be.closeTo(slope, slope * 1e-6);
          expect(fittedSeconds(fit, 100 * mebibyte)).to.be.closeTo(intercept + slope * 100 * mebibyte, 1e-4);
          expect(fit.residualSeconds).to.be.closeTo(0, 1e-4);
        },
      ),
    );
  });

  it("should never give a negative coefficient, nor be worse than a constant", () => {
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 40 }), (points) => {
        const fit = fitLine(points, 0);
        expect(fit.interceptSeconds).to.be.at.least(0);
        expect(fit.secondsPerByte).to.be.at.least(0);
        const mean = points.reduce((sum, { seconds }) => sum + seconds, 0) / points.length;
        const error = (predict: (stateBytes: number) => number) =>
          points.reduce((sum, { stateBytes, seconds }) => sum + (seconds - predict(stateBytes)) ** 2, 0);
        // A line through the origin is forced by a negative intercept; it still has to beat no prediction at all.
        const bound = fit.interceptSeconds > 0 ? error(() => mean) : error(() => 0);
        expect(error((stateBytes) => fittedSeconds(fit, stateBytes))).to.be.at.most(bound * (1 + 1e-9) + 1e-9);
      }),
    );
  });

  it("should use the assumed slope when all sizes are alike", () => {
    const points = [1.9, 2, 2.1].map((seconds) => ({ stateBytes: 100 * mebibyte, seconds }));
    const fit = fitLine(points, 0.01 / mebibyte);
    expect(fittedSeconds(fit, 100 * mebibyte)).to.be.closeTo(2, 1e-9);
    expect(fittedSeconds(fit, 200 * mebibyte)).to.be.closeTo(3, 1e-9);
    expect(fit.leverage(400 * mebibyte)).to.be.above(fit.leverage(100 * mebibyte));
  });

  it("should trust itself less the further it goes beyond what it has seen", () => {
    const points = [10, 20, 30].map((size) => ({ stateBytes: size * mebibyte, seconds: size + (size % 20) / 10 }));
    const fit = fitLine(points, 0);
    expect(fit.leverage(300 * mebibyte)).to.be.above(10 * fit.leverage(20 * mebibyte));
  });
});
