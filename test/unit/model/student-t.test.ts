import { expect } from "chai";
import fc from "fast-check";
import { studentTProbability, studentTQuantile } from "../../../src/model/student-t.ts";

describe("Student's t", () => {
  // From published tables.
  const table: [probability: number, degrees: number, quantile: number][] = [
    [0.95, 1, 6.3138],
    [0.99, 1, 31.8205],
    [0.99, 3, 4.5407],
    [0.975, 5, 2.5706],
    [0.99, 10, 2.7638],
    [0.9, 30, 1.3104],
    [0.99, 1e6, 2.3263],
    [0.9999, 1e6, 3.719],
  ];
  for (const [probability, degrees, quantile] of table) {
    it(`should have ${quantile} as its ${probability} quantile with ${degrees} degrees of freedom`, () => {
      expect(studentTQuantile(probability, degrees)).to.be.closeTo(quantile, 5e-4);
    });
  }

  it("should have a probability that inverts the quantile", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        fc.double({ min: 1, max: 500, noNaN: true }),
        (probability, degrees) => {
          expect(studentTProbability(studentTQuantile(probability, degrees), degrees)).to.be.closeTo(probability, 1e-6);
        },
      ),
    );
  });

  it("should refuse probabilities and degrees of freedom that make no sense", () => {
    for (const probability of [0, 1, -1, Number.NaN]) {
      expect(() => studentTQuantile(probability, 3)).to.throw(RangeError, "probability");
    }
    expect(() => studentTQuantile(0.9, 0)).to.throw(RangeError, "degreesOfFreedom");
  });
});
