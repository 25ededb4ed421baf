import { expect } from "chai";
import { systemClock } from "../../../src/api/clock.ts";

describe("the system clock", () => {
  it("should not fire at once for a wait of thirty days", async () => {
    const controller = new AbortController();
    const first = await Promise.race([
      systemClock.sleep(30 * 86_400_000, controller.signal).then(() => "woke"),
      systemClock.sleep(20).then(() => "still asleep"),
    ]);
    controller.abort();
    expect(first).to.equal("still asleep");
  });

  it("should reject with the signal's reason when aborted while asleep or before", async () => {
    const controller = new AbortController();
    const sleeping = systemClock.sleep(60_000, controller.signal).then(
      () => "woke",
      (error: unknown) => error,
    );
    const reason = new Error("stop");
    controller.abort(reason);
    expect(await sleeping).to.equal(reason);
    expect(await systemClock.sleep(0, controller.signal).catch((error: unknown) => error)).to.equal(reason);
  });
});
