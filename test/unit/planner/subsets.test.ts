import { expect } from "chai";
import fc from "fast-check";
import { cheapestSubsets } from "../../../src/planner/subsets.ts";

describe("cheapestSubsets", () => {
  it("should yield every subset once, cheapest first", () => {
    const sorted = fc
      .array(fc.integer({ min: 0, max: 50 }), { maxLength: 8 })
      .map((costs) => costs.sort((a, b) => a - b));
    fc.assert(
      fc.property(sorted, fc.integer({ min: 1, max: 4 }), (costs, size) => {
        const subsets = [...cheapestSubsets(costs, size)];
        const sums = subsets.map((subset) => subset.reduce((sum, index) => sum + (costs[index] ?? 0), 0));
        expect(sums).to.deep.equal([...sums].sort((a, b) => a - b));
        expect(new Set(subsets.map(String)).size).to.equal(subsets.length);
        const binomial = Array.from({ length: size }, (_, index) => (costs.length - index) / (index + 1));
        const expected = costs.length < size ? 0 : binomial.reduce((product, factor) => product * factor, 1);
        expect(subsets).to.have.length(Math.round(expected));
      }),
    );
  });
});
