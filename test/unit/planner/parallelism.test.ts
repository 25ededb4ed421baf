import { expect } from "chai";
import { admit } from "../../../src/planner/admission.ts";
import { planVacating } from "../../../src/planner/plan.ts";
import { cluster, guest, host, mebibyte, minutesLater, request } from "./builders.ts";

describe("the degree of parallelism", () => {
  const hosts = ["a", "b", "c", "d", "e", "f"].map((name) => host(`host-${name}`));
  const guests = ["a", "b", "c"].flatMap((name) =>
    [1, 2, 3].map((number) => guest(`vm-${name}${number}`, `host-${name}`, { stateBytes: 2048 * mebibyte })),
  );
  const vacated = ["host-a", "host-b", "host-c"];
  const state = cluster(hosts, guests);
  const planIn = (minutes: number, overrides = {}) =>
    planVacating(request({ count: 3, windowStart: minutesLater(minutes), ...overrides }), state, vacated);

  it("should be one while there is time, and no more than is needed", () => {
    const relaxed = planIn(60);
    expect(relaxed.parallelMigrations).to.equal(1);
    const minutes = relaxed.allowanceSeconds / 60 - 0.1;
    const hurried = planIn(minutes);
    expect(hurried.parallelMigrations).to.equal(2);
    expect(hurried.allowanceSeconds).to.be.below(minutes * 60);
    expect(hurried.parallelChoices.map(({ parallelMigrations }) => parallelMigrations)).to.deep.equal([1, 2]);
  });

  it("should be what the user fixed", () => {
    expect(planIn(60, { parallelMigrations: 3 }).parallelMigrations).to.equal(3);
    expect(planIn(0.1, { parallelMigrations: 1 }).parallelMigrations).to.equal(1);
  });

  it("should be what is over first when the window is too near, and one where more at once gains nothing", () => {
    const late = planIn(0.1);
    expect(late.parallelMigrations).to.be.above(1);
    const least = Math.min(...late.parallelChoices.map(({ allowanceSeconds }) => allowanceSeconds));
    expect(late.allowanceSeconds).to.be.at.most(1.06 * least);
    // Everything through the one link of one host.
    const own = guests.filter(({ hostName }) => hostName === "host-a");
    const crowded = hosts.map((one) => ({ ...one, linkBytesPerSecond: one.name === "host-a" ? 12.5e6 : 125e6 }));
    const near = request({ windowStart: minutesLater(0.1) });
    expect(planVacating(near, cluster(crowded, own), ["host-a"]).parallelMigrations).to.equal(1);
  });

  it("should stay as it is at the very start-by and a little later, and rise when being late gets likely", () => {
    const { allowanceSeconds } = planIn(60);
    const at = (seconds: number, present?: number) =>
      planIn(seconds / 60, { presentParallelMigrations: present }).parallelMigrations;
    expect(at(allowanceSeconds - 1, 1)).to.equal(1);
    expect(at(allowanceSeconds - 1)).to.equal(2);
    expect(at(0.6 * allowanceSeconds, 1)).to.be.above(1);
    expect(at(1.2 * allowanceSeconds, 2)).to.equal(2);
    expect(at(2 * allowanceSeconds, 2)).to.equal(1);
  });

  it("should be chosen at admission too", () => {
    const seconds = planIn(60).allowanceSeconds - 5;
    const asked = request({ count: 3, windowStart: minutesLater(seconds / 60), heldHosts: vacated });
    expect(admit(asked, state).plan?.parallelMigrations).to.equal(2);
  });
});
