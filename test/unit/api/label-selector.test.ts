import { expect } from "chai";
import { type LabelSelector, matchesLabels } from "../../../src/api/label-selector.ts";

describe("matchesLabels", () => {
  const labels = { rack: "a", gpu: "" };
  const cases: [selector: LabelSelector | undefined, matches: boolean][] = [
    [undefined, true],
    [{}, true],
    [{ matchLabels: { rack: "a" } }, true],
    [{ matchLabels: { rack: "b" } }, false],
    [{ matchLabels: { rack: "a", row: "1" } }, false],
    [{ matchExpressions: [{ key: "rack", operator: "In", values: ["b", "a"] }] }, true],
    [{ matchExpressions: [{ key: "row", operator: "In", values: ["a"] }] }, false],
    [{ matchExpressions: [{ key: "rack", operator: "NotIn", values: ["a"] }] }, false],
    [{ matchExpressions: [{ key: "row", operator: "NotIn", values: ["a"] }] }, true],
    [{ matchExpressions: [{ key: "gpu", operator: "Exists" }] }, true],
    [{ matchExpressions: [{ key: "toString", operator: "Exists" }] }, false],
    [{ matchExpressions: [{ key: "gpu", operator: "DoesNotExist" }] }, false],
    [{ matchLabels: { rack: "a" }, matchExpressions: [{ key: "row", operator: "DoesNotExist" }] }, true],
  ];
  for (const [selector, matches] of cases) {
    it(`should ${matches ? "match" : "not match"} ${JSON.stringify(selector)}`, () => {
      expect(matchesLabels(selector, labels)).to.equal(matches);
    });
  }
});
