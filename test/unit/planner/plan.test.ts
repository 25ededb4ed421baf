import { expect } from "chai";
import fc from "fast-check";
import { admit } from "../../../src/planner/admission.ts";
import type { PlannerGuest } from "../../../src/planner/inputs.ts";
import { planVacating } from "../../../src/planner/plan.ts";
import { anyCluster, cluster, guest, heldBy, host, mebibyte, request } from "./builders.ts";

const anyRequest = fc.record({ count: fc.integer({ min: 1, max: 3 }) }).map(request);

function expectApart(newcomer: PlannerGuest, there: PlannerGuest[]): void {
  if (newcomer.apartFrom === undefined) return;
  const apps = there.filter((other) => other !== newcomer).map((other) => other.labels.app);
  expect(apps).to.not.include(newcomer.apartFrom.matchLabels?.app);
}

describe("planVacating", () => {
  it("should never place a VM on a host to be vacated, held, unschedulable, silent or not selected", () => {
    fc.assert(
      fc.property(anyRequest, anyCluster, (asked, state) => {
        const { plan } = admit(asked, state);
        if (!plan) return;
        const hosts = new Map(state.hosts.map((one) => [one.name, one]));
        for (const { guest: moved, to } of plan.moves) {
          const target = hosts.get(to);
          expect(plan.hosts).to.not.include(to);
          expect(target).to.include({ isReady: true, isUnschedulable: false });
          expect(target?.holds).to.deep.equal([]);
          const rack = moved.hostSelector.matchLabels?.rack;
          if (rack !== undefined) expect(target?.labels.rack).to.equal(rack);
          expect(moved.isMovable).to.equal(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("should never exceed a host's capacity nor put VMs together that stay apart", () => {
    fc.assert(
      fc.property(anyRequest, anyCluster, (asked, state) => {
        const { plan } = admit(asked, state);
        if (!plan) return;
        const targets = new Map(plan.moves.map(({ guest: moved, to }) => [moved.uid, to]));
        for (const one of state.hosts) {
          const there = state.guests.filter(({ uid, hostName }) => (targets.get(uid) ?? hostName) === one.name);
          const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
          expect(sum(there.map(({ cpus }) => cpus))).to.be.at.most(one.cpus);
          expect(sum(there.map(({ memoryBytes }) => memoryBytes))).to.be.at.most(one.memoryBytes);
          for (const newcomer of there.filter(({ uid }) => targets.has(uid))) expectApart(newcomer, there);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("should leave no VM on the hosts of an admitted reservation, and move each once", () => {
    fc.assert(
      fc.property(anyRequest, anyCluster, (asked, state) => {
        const { plan } = admit(asked, state);
        if (!plan) return;
        expect(plan.hosts).to.have.length(asked.count);
        const displaced = state.guests
          .filter(({ hostName }) => plan.hosts.includes(hostName ?? ""))
          .map(({ uid }) => uid);
        const moved = plan.moves.map(({ guest: { uid } }) => uid);
        expect(new Set(moved).size).to.equal(moved.length);
        expect(moved).to.include.members(displaced);
      }),
      { numRuns: 500 },
    );
  });

  it("should give the same plan whatever the order of its inputs", () => {
    const shuffles = fc.infiniteStream(fc.integer());
    fc.assert(
      fc.property(anyRequest, anyCluster, shuffles, (asked, state, random) => {
        const shuffled = <T>(list: readonly T[]) =>
          list
            .map((item) => ({ item, rank: random.next().value as number }))
            .sort((a, b) => a.rank - b.rank)
            .map(({ item }) => item);
        const again = { ...state, hosts: shuffled(state.hosts), guests: shuffled(state.guests) };
        const [first, second] = [admit(asked, state), admit(asked, again)];
        expect(second.plan?.hash).to.equal(first.plan?.hash);
        expect(second.refusal?.reason).to.equal(first.refusal?.reason);
      }),
      { numRuns: 300 },
    );
  });

  const hosts = [host("host-a"), host("host-b"), host("host-c")];

  it("should keep its hash under noise and change it with a move or a much larger state", () => {
    const hashWith = (stateBytes: number, homeName?: string) =>
      planVacating(request(), cluster(hosts, [guest("vm", "host-a", { stateBytes, homeName })]), ["host-a"]).hash;
    const usual = hashWith(256 * mebibyte);
    expect(hashWith(262 * mebibyte)).to.equal(usual);
    expect(hashWith(250 * mebibyte)).to.equal(usual);
    expect(hashWith(600 * mebibyte)).to.not.equal(usual);
    expect(hashWith(256 * mebibyte, "host-c")).to.not.equal(usual);
  });

  it("should prefer an open home, then the host with the most room", () => {
    const busy = [...hosts, host("host-d")];
    const guests = [
      guest("homed", "host-a", { homeName: "host-c" }),
      guest("loose", "host-a"),
      guest("resident-b", "host-b", { memoryBytes: 1024 * mebibyte }),
      guest("resident-c", "host-c", { memoryBytes: 2048 * mebibyte }),
    ];
    const { moves } = planVacating(request(), cluster(busy, guests), ["host-a"]);
    expect(Object.fromEntries(moves.map(({ guest: moved, to }) => [moved.name, to]))).to.deep.equal({
      homed: "host-c",
      loose: "host-d",
    });
  });

  it("should count a VM on its way to a host", () => {
    const arriving = guest("arriving", "host-c", {
      memoryBytes: 3900 * mebibyte,
      occupies: new Set(["host-c", "host-b"]),
    });
    const { moves, unplaced } = planVacating(request(), cluster(hosts, [arriving, guest("vm", "host-a")]), ["host-a"]);
    expect(moves).to.deep.equal([]);
    expect(unplaced[0]?.message).to.match(/default\/vm .*fits on no other host: host-b has 7 CPUs and 196.0 MiB free/);
  });

  it("should fill gaps tightly when even spreading leaves one over", () => {
    const guests = [
      guest("large", "host-a", { memoryBytes: 2048 * mebibyte }),
      guest("huge", "host-a", { memoryBytes: 2048 * mebibyte, hostSelector: { matchLabels: { size: "l" } } }),
    ];
    const targets = [
      host("host-a", { memoryBytes: 8192 * mebibyte }),
      host("host-b", { memoryBytes: 2048 * mebibyte }),
      host("host-l", { memoryBytes: 3072 * mebibyte, labels: { size: "l" } }),
    ];
    const { unplaced, moves } = planVacating(
      request(),
      cluster(
        targets,
        [guests[1], guests[0]].flatMap((one) => one ?? []),
      ),
      ["host-a"],
    );
    expect(unplaced).to.deep.equal([]);
    expect(moves.find(({ guest: moved }) => moved.name === "large")?.to).to.equal("host-b");
  });

  it("should move the longest first", () => {
    const guests = [100, 400, 200].map((size) => guest(`vm-${size}`, "host-a", { stateBytes: size * mebibyte }));
    const { moves } = planVacating(request(), cluster(hosts, guests), ["host-a"]);
    expect(moves.map(({ guest: moved }) => moved.name)).to.deep.equal(["vm-400", "vm-200", "vm-100"]);
  });

  it("should allow more time for a higher wanted probability, and none for no moves", () => {
    const state = cluster(hosts, [guest("vm", "host-a")]);
    const allowance = (onTimeTarget: number) =>
      planVacating(request({ onTimeTarget }), state, ["host-a"]).allowanceSeconds;
    expect(allowance(0.9)).to.be.above(planVacating(request(), state, ["host-a"]).duration.meanSeconds);
    expect(allowance(0.999)).to.be.above(allowance(0.9));
    expect(planVacating(request(), state, ["host-b"]).allowanceSeconds).to.equal(0);
  });

  it("should avoid targets that failed while there is another, and keep fixed ones", () => {
    const state = cluster(hosts, [guest("vm", "host-a", { homeName: "host-b" }), guest("rest", "host-a")]);
    const targets = (options: Parameters<typeof planVacating>[3]) =>
      Object.fromEntries(
        planVacating(request(), state, ["host-a"], options).moves.map(({ guest: moved, to }) => [moved.name, to]),
      );
    expect(targets({ avoid: new Map([["uid-vm", new Set(["host-b"])]]) }).vm).to.equal("host-c");
    expect(targets({ avoid: new Map([["uid-vm", new Set(["host-b", "host-c"])]]) }).vm).to.equal("host-b");
    expect(targets({ fixed: new Map([["uid-vm", "host-c"]]) }).vm).to.equal("host-c");
  });

  it("should not send a VM where another reservation begins before this window ends", () => {
    const state = cluster(
      [host("host-a"), host("host-b", { holds: [heldBy("x/later", 130, 190, 110)] }), host("host-c")],
      [guest("vm", "host-a"), guest("resident", "host-c")],
    );
    expect(planVacating(request(), state, ["host-a"]).moves[0]?.to).to.equal("host-c");
  });
});
