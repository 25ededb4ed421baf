import { expect } from "chai";
import fc from "fast-check";
import { matchesLabels } from "../../../src/api/label-selector.ts";
import { admit } from "../../../src/planner/admission.ts";
import type { Cluster, PlannerGuest, PlannerHost, ReservationRequest } from "../../../src/planner/inputs.ts";
import { predictMove } from "../../../src/planner/move-cost.ts";
import { anyCluster, cluster, guest, host, mebibyte, request } from "./builders.ts";

/** The least sum of predicted seconds, by trying every set of hosts and every target; undefined when there is no way. */
function leastSeconds(asked: ReservationRequest, state: Cluster): number | undefined {
  const reservable = state.hosts.filter(
    (one) =>
      one.isReady &&
      one.holds.length === 0 &&
      state.guests.every(({ hostName, isMovable }) => hostName !== one.name || isMovable),
  );
  const sums = subsets(reservable, asked.count).flatMap((vacated) => {
    const seconds = cheapestPlacement(state, new Set(vacated.map(({ name }) => name)));
    return seconds === undefined ? [] : [seconds];
  });
  return sums.length > 0 ? Math.min(...sums) : undefined;
}

function cheapestPlacement(state: Cluster, vacated: ReadonlySet<string>): number | undefined {
  const open = state.hosts.filter(
    (one) => !vacated.has(one.name) && one.isReady && !one.isUnschedulable && one.holds.length === 0,
  );
  const displaced = state.guests.filter(({ hostName }) => vacated.has(hostName ?? ""));
  const there = new Map(open.map(({ name }) => [name, state.guests.filter(({ hostName }) => hostName === name)]));
  let best: number | undefined;
  const place = (index: number, seconds: number): void => {
    if (best !== undefined && seconds >= best) return;
    const next = displaced[index];
    if (!next) {
      best = seconds;
      return;
    }
    const from = state.hosts.find(({ name }) => name === next.hostName);
    for (const target of open) {
      const others = there.get(target.name) ?? [];
      if (!mayJoin(next, target, others)) continue;
      others.push(next);
      place(index + 1, seconds + predictMove(next, from, target).totalSeconds);
      others.pop();
    }
  };
  place(0, 0);
  return best;
}

function mayJoin(next: PlannerGuest, target: PlannerHost, others: readonly PlannerGuest[]): boolean {
  const cpus = others.reduce((sum, one) => sum + one.cpus, next.cpus);
  const memoryBytes = others.reduce((sum, one) => sum + one.memoryBytes, next.memoryBytes);
  if (cpus > target.cpus || memoryBytes > target.memoryBytes) return false;
  if (!matchesLabels(next.hostSelector, target.labels)) return false;
  const avoids = (a: PlannerGuest, b: PlannerGuest) =>
    a.apartFrom !== undefined && a.namespace === b.namespace && matchesLabels(a.apartFrom, b.labels);
  return others.every((one) => !avoids(next, one) && !avoids(one, next));
}

function subsets<T>(list: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return list.flatMap((first, index) => subsets(list.slice(index + 1), size - 1).map((rest) => [first, ...rest]));
}

describe("the planner against brute force", () => {
  const links = fc.infiniteStream(fc.constantFrom(12.5e6, 125e6, 1250e6));

  it("should find a way where there is one, and none where there is none, at no more than 3 % above the least cost", () => {
    let gap = 0;
    let solved = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), anyCluster, links, (count, any, link) => {
        const state: Cluster = {
          ...any,
          hosts: any.hosts.map((one) => ({ ...one, linkBytesPerSecond: link.next().value ?? 125e6 })),
          // Homes are a wish of their own, not a cost.
          guests: any.guests.map((one) => ({ ...one, homeName: undefined })),
        };
        // Some of these guests break a rule where they are, and so could not come back.
        const asked = request({ count, returnsAfterwards: false });
        const least = leastSeconds(asked, state);
        const { plan } = admit(asked, state);
        const relocates = plan?.moves.some(({ from }) => !plan.hosts.includes(from)) ?? false;
        // What is impossible here may be possible by moving others out of the way, and only then others are moved.
        expect(plan !== undefined && !relocates, "feasible").to.equal(least !== undefined);
        if (!plan || least === undefined) return;
        const seconds = plan.moves.reduce((sum, { prediction }) => sum + prediction.totalSeconds, 0);
        expect(seconds).to.be.at.least(least - 1e-6);
        gap += least === 0 ? 0 : seconds / least - 1;
        solved++;
      }),
      { numRuns: 400, seed: 20300101 },
    );
    expect(solved).to.be.above(100);
    expect(gap / solved).to.be.at.most(0.03);
  });

  it("should pack targets that only fit in one way", () => {
    const sizes = [5, 4, 3, 3, 3, 2];
    const guests = sizes.map((size, index) =>
      guest(`vm-${index}`, "host-a", { memoryBytes: size * 512 * mebibyte, cpus: 1 }),
    );
    const hosts = [
      host("host-a", { memoryBytes: 10240 * mebibyte, labels: { asked: "" } }),
      host("host-b", { memoryBytes: 10 * 512 * mebibyte }),
      host("host-c", { memoryBytes: 10 * 512 * mebibyte }),
    ];
    const asked = request({ selector: { matchLabels: { asked: "" } } });
    expect(admit(asked, cluster(hosts, guests)).plan?.moves).to.have.length(sizes.length);
  });

  it("should send those to the fast target that gain most by it, and others away from it", () => {
    const guests = [
      guest("small", "host-a", { memoryBytes: 1024 * mebibyte, stateBytes: 100 * mebibyte }),
      guest("large", "host-a", { memoryBytes: 1024 * mebibyte, stateBytes: 1000 * mebibyte }),
    ];
    const hosts = [
      host("host-a", { linkBytesPerSecond: 1250e6, labels: { asked: "" } }),
      host("host-fast", { linkBytesPerSecond: 1250e6, memoryBytes: 1024 * mebibyte }),
      host("host-slow", { linkBytesPerSecond: 12.5e6 }),
    ];
    const asked = request({ selector: { matchLabels: { asked: "" } } });
    const targets = Object.fromEntries(
      (admit(asked, cluster(hosts, guests)).plan?.moves ?? []).map(({ guest: moved, to }) => [moved.name, to]),
    );
    expect(targets).to.deep.equal({ large: "host-fast", small: "host-slow" });
  });
});
