import { expect } from "chai";
import { findCondition, isTrue, setCondition } from "../../../src/runtime/condition.ts";

describe("setCondition", () => {
  const now = new Date("2030-01-01T00:00:00.500Z");
  const later = new Date("2030-01-01T00:05:00Z");
  const input = { type: "Placed", status: "False", reason: "HostFull", message: "host-a is full" } as const;

  it("should add a condition after the others with the time in whole seconds", () => {
    const conditions = setCondition(setCondition(undefined, input, now), { ...input, type: "Running" }, later);
    expect(conditions).to.deep.equal([
      { ...input, lastTransitionTime: "2030-01-01T00:00:00Z" },
      { ...input, type: "Running", lastTransitionTime: "2030-01-01T00:05:00Z" },
    ]);
  });

  it("should keep lastTransitionTime when only reason, message or generation change", () => {
    const before = setCondition([], input, now);
    const after = setCondition(before, { ...input, reason: "NoHostFits", observedGeneration: 3 }, later);
    expect(after).to.deep.equal([
      { ...input, reason: "NoHostFits", observedGeneration: 3, lastTransitionTime: "2030-01-01T00:00:00Z" },
    ]);
  });

  it("should move lastTransitionTime when the status changes, in place and without touching its argument", () => {
    const before = Object.freeze(setCondition(setCondition([], input, now), { ...input, type: "Running" }, now));
    const after = setCondition(before, { ...input, status: "True" }, later);
    expect(after.map((condition) => condition.type)).to.deep.equal(["Placed", "Running"]);
    expect(after[0]?.lastTransitionTime).to.equal("2030-01-01T00:05:00Z");
    expect(before[0]?.status).to.equal("False");
  });

  it("should drop a message that is no longer given", () => {
    const after = setCondition(setCondition([], input, now), { type: "Placed", status: "True", reason: "Ok" }, later);
    expect(after[0]).to.not.have.property("message");
  });

  it("should tell true from false, unknown and absent", () => {
    const conditions = setCondition(setCondition([], input, now), { ...input, type: "Running", status: "True" }, now);
    expect(isTrue(conditions, "Running")).to.equal(true);
    expect(isTrue(conditions, "Placed")).to.equal(false);
    expect(isTrue(undefined, "Placed")).to.equal(false);
    expect(findCondition(conditions, "Placed")?.reason).to.equal("HostFull");
  });
});
