import { expect } from "chai";
import fc from "fast-check";
import { admit } from "../../../src/planner/admission.ts";
import type { Cluster, PlannerGuest } from "../../../src/planner/inputs.ts";
import { type Plan, planVacating } from "../../../src/planner/plan.ts";
import { anyCluster, cluster, guest, host, mebibyte, request } from "./builders.ts";

const asked = request({ selector: { matchLabels: { asked: "" } } });
const gibibyte = 1024 * mebibyte;
const rack = (name: string) => ({ matchLabels: { rack: name } });

function targetsOf(plan: Plan | undefined): Record<string, string> {
  return Object.fromEntries((plan?.moves ?? []).map(({ guest: moved, to }) => [moved.name, to]));
}

describe("moving others out of the way", () => {
  const vacated = host("host-a", { labels: { asked: "", rack: "b" }, memoryBytes: 8 * gibibyte });
  const displaced = guest("displaced", "host-a", { memoryBytes: 4 * gibibyte, hostSelector: rack("b") });

  it("should find a chain, and let the displaced VM wait for the one in its way", () => {
    const hosts = [
      vacated,
      host("host-b", { memoryBytes: 4 * gibibyte, labels: { rack: "b" } }),
      host("host-c", { memoryBytes: 2 * gibibyte, labels: { rack: "c" } }),
    ];
    const state = cluster(hosts, [displaced, guest("resident", "host-b", { memoryBytes: 2 * gibibyte })]);
    const { plan } = admit(asked, state);
    expect(targetsOf(plan)).to.deep.equal({ displaced: "host-b", resident: "host-c" });
    expect(plan?.moves.find(({ guest: moved }) => moved.name === "displaced")?.waitsFor).to.deep.equal([
      "uid-resident",
    ]);
    expect(plan?.moves.find(({ guest: moved }) => moved.name === "resident")).to.not.have.property("waitsFor");
  });

  it("should find a chain of two", () => {
    const hosts = [
      vacated,
      host("host-b", { memoryBytes: 4 * gibibyte, labels: { rack: "b" } }),
      host("host-c", { memoryBytes: 3 * gibibyte, labels: { rack: "c" } }),
      host("host-d", { memoryBytes: 1 * gibibyte, labels: { rack: "d" } }),
    ];
    const state = cluster(hosts, [
      displaced,
      guest("first", "host-b", { memoryBytes: 3 * gibibyte, hostSelector: {} }),
      guest("second", "host-c", { memoryBytes: 1 * gibibyte }),
    ]);
    expect(targetsOf(admit(asked, state).plan)).to.deep.equal({
      displaced: "host-b",
      first: "host-c",
      second: "host-d",
    });
  });

  it("should let nobody rest on a host that is vacated, though two could change places that way", () => {
    const hosts = [
      vacated,
      host("host-b", { memoryBytes: 6 * gibibyte, labels: { rack: "b" } }),
      host("host-c", { memoryBytes: 4.5 * gibibyte, labels: { rack: "c" } }),
    ];
    // In the end the displaced one and the small one would share host-b with the pinned one, and the large one have host-c
    // for itself; but as it is, neither the small nor the large one fits where it has to go.
    const residents = [
      displaced,
      guest("large", "host-b", { memoryBytes: 4.5 * gibibyte }),
      guest("pinned", "host-b", { memoryBytes: 1 * gibibyte, isMovable: false }),
      guest("small", "host-c", { memoryBytes: 1 * gibibyte, stateBytes: 10 * mebibyte }),
    ];
    expect(admit(asked, cluster(hosts, residents)).refusal?.reason).to.equal("InsufficientCapacity");

    const free = host("host-d", { memoryBytes: 1 * gibibyte, labels: { rack: "d" } });
    const state = cluster([...hosts, free], residents);
    const { plan } = admit(asked, state);
    expect(targetsOf(plan)).to.deep.equal({ displaced: "host-b", large: "host-c", small: "host-d" });
    if (plan) expectPossible(state, plan);
  });

  it("should move nobody who is pinned, on the way or claimed by another plan", () => {
    const hosts = [
      vacated,
      host("host-b", { memoryBytes: 4 * gibibyte, labels: { rack: "b" } }),
      host("host-c", { memoryBytes: 2 * gibibyte, labels: { rack: "c" } }),
    ];
    const withResident = (overrides: Partial<PlannerGuest>) =>
      admit(
        asked,
        cluster(hosts, [displaced, guest("resident", "host-b", { memoryBytes: 2 * gibibyte, ...overrides })]),
      );
    expect(withResident({ isMovable: false }).refusal?.reason).to.equal("InsufficientCapacity");
    expect(withResident({ occupies: new Set(["host-b", "host-d"]) }).refusal?.reason).to.equal("InsufficientCapacity");
  });

  it("should wait for one that is leaving the target already", () => {
    const hosts = [
      vacated,
      host("host-b", { memoryBytes: 4 * gibibyte, labels: { rack: "b" } }),
      host("host-c", { memoryBytes: 2 * gibibyte, labels: { rack: "c" } }),
    ];
    const leaving = guest("resident", "host-c", {
      memoryBytes: 2 * gibibyte,
      occupies: new Set(["host-b", "host-c"]),
      leaving: "host-b",
    });
    const plan = planVacating(asked, cluster(hosts, [displaced, leaving]), ["host-a"]);
    expect(targetsOf(plan)).to.deep.equal({ displaced: "host-b" });
    expect(plan.moves[0]?.waitsFor).to.deep.equal(["uid-resident"]);
  });

  it("should never need more room than there is, whatever the cluster", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), anyCluster, (count, state) => {
        const { plan } = admit(request({ count }), state);
        if (plan) expectPossible(state, plan);
      }),
      { numRuns: 500 },
    );
  });
});

/** Carries the moves out, each when those that it waits for have gone, and checks that there is room at every step. */
function expectPossible(state: Cluster, plan: Plan): void {
  const places = new Map(state.guests.map((one) => [one.uid, one.hostName]));
  let waiting = [...plan.moves];
  while (waiting.length > 0) {
    const isWaiting = (uid: string) => waiting.some(({ guest: other }) => other.uid === uid);
    const next = waiting.find(({ waitsFor = [] }) => !waitsFor.some(isWaiting));
    if (!next) throw new Error("the moves wait for each other");
    places.set(next.guest.uid, next.to);
    waiting = waiting.filter((move) => move !== next);
    const there = state.guests.filter(({ uid }) => places.get(uid) === next.to);
    const target = state.hosts.find(({ name }) => name === next.to);
    const memoryBytes = there.reduce((sum, one) => sum + one.memoryBytes, 0);
    expect(memoryBytes, `memory of ${next.to}`).to.be.at.most(target?.memoryBytes ?? 0);
  }
}
