import { expect } from "chai";
import { retryAfterMilliseconds } from "../../../../src/controllers/virtualmachine/backoff.ts";

const now = new Date("2030-01-01T12:00:00Z");
type Finished = Parameters<typeof retryAfterMilliseconds>[0][number];

function finished(change: Partial<Finished> = {}): Finished {
  return { id: "m", result: "RolledBack", from: "a", to: "b", finishedAt: now.toISOString(), ...change };
}

describe("retryAfterMilliseconds", () => {
  for (const [what, history, wanted] of [
    ["without history", [], 0],
    ["after one failure", [finished()], 5000],
    ["after three failures", [finished(), finished(), finished()], 20_000],
    ["after eight failures", Array.from({ length: 8 }, () => finished()), 300_000],
    ["after a success", [finished({ result: "Succeeded" }), finished()], 0],
    ["after a failure to another host", [finished({ to: "c" })], 0],
    ["after the wish had changed", [finished({ reason: "Aborted" }), finished()], 0],
    ["after one failure that followed a success", [finished(), finished({ result: "Succeeded" }), finished()], 5000],
  ] as const) {
    it(`should wait ${wanted} ms ${what}`, () => {
      expect(retryAfterMilliseconds([...history], "b", now)).to.equal(wanted);
    });
  }

  it("should count the time that has passed", () => {
    const later = new Date(now.getTime() + 4000);

    expect(retryAfterMilliseconds([finished()], "b", later)).to.equal(1000);
  });
});
