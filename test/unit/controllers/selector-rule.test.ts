import { expect } from "chai";
import { invalidSelector } from "../../../src/controllers/selector-rule.ts";

describe("invalidSelector", () => {
  const judge = (operator: "In" | "NotIn" | "Exists" | "DoesNotExist", values?: string[]) =>
    invalidSelector("spec.hosts.selector", {
      matchExpressions: [{ key: "pool", operator, ...(values ? { values } : {}) }],
    });

  it("should want values with In and NotIn", () => {
    expect(judge("In", ["lab"])).to.equal(undefined);
    expect(judge("NotIn", ["lab"])).to.equal(undefined);
    expect(judge("In")).to.equal("spec.hosts.selector.matchExpressions: operator In of key pool needs values");
    expect(judge("NotIn", [])).to.match(/operator NotIn of key pool needs values/);
  });

  it("should want none with Exists and DoesNotExist", () => {
    expect(judge("Exists")).to.equal(undefined);
    expect(judge("DoesNotExist", [])).to.equal(undefined);
    expect(judge("Exists", ["lab"])).to.match(/operator Exists of key pool takes no values/);
  });

  it("should find nothing wrong with no selector", () => {
    expect(invalidSelector("spec.guests.selector", undefined)).to.equal(undefined);
  });
});
