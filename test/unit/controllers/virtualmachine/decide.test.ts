import { expect } from "chai";
import type { GuestReport, GuestState } from "../../../../src/agent/protocol/types.ts";
import type { VirtualMachineSpec, VirtualMachineStatus } from "../../../../src/api/types.gen.ts";
import { decide } from "../../../../src/controllers/virtualmachine/decide.ts";
import type { Decision } from "../../../../src/controllers/virtualmachine/decision.ts";
import type { Refusal } from "../../../../src/controllers/virtualmachine/host-check.ts";
import type { HolderView, Situation } from "../../../../src/controllers/virtualmachine/situation.ts";
import { virtualMachine } from "../../../support/controller-bench.ts";

const now = new Date("2030-01-01T12:00:00Z");
const closed: Refusal = { reason: "HostFull", message: "b is full", short: "full" };

function guest(state: GuestState, change: Partial<GuestReport> = {}): GuestReport {
  return {
    ...{ uid: "uid-web", namespace: "default", name: "web", epoch: 3, cpus: 1, memoryBytes: 2 ** 29, image: "tiny" },
    ...{ bootId: "boot", state, stateBytes: 1000 },
    ...change,
  };
}

interface Given extends Partial<Omit<Situation, "vm">> {
  spec?: Partial<VirtualMachineSpec>;
  status?: VirtualMachineStatus;
  isDeleting?: boolean;
}

function situation({ spec = {}, status, isDeleting = false, ...rest }: Given): Situation {
  const vm = virtualMachine("web", spec);
  vm.metadata.uid = "uid-web";
  if (isDeleting) vm.metadata.deletionTimestamp = now.toISOString();
  if (status) vm.status = status;
  return {
    ...{ vm, now, wanted: undefined, leftovers: [], restartInMilliseconds: 0 },
    refusalOf: () => undefined,
    refusedStart: () => undefined,
    chooseHost: () => ({ hostName: "c" }),
    ...rest,
  };
}

const onA: VirtualMachineStatus = { hostName: "a", grant: { hostName: "a", epoch: 3 } };
const answers = (report?: GuestReport): HolderView => ({ kind: "Answers", guest: report });
const empty = { unanswered: [], found: [] };

function summary({ step, verdict }: Decision): string {
  const placed = verdict.placed ? ` placed=${verdict.placed.status}/${verdict.placed.reason}` : "";
  const running = verdict.running ? ` running=${verdict.running.status}/${verdict.running.reason}` : "";
  return `${step.do} ${verdict.phase}${placed}${running}`;
}

describe("decide", () => {
  const home = (hostName: string) => ({ spec: { hostName }, wanted: hostName });
  const held = (state: GuestState, more: Given = {}): Given => ({
    status: onA,
    wanted: "a",
    holder: answers(guest(state)),
    ...more,
  });
  const off = { spec: { powerState: "Stopped" as const } };
  const fragile = { spec: { onCrash: "Stop" as const } };
  const pinned = { wanted: "b", spec: { migration: { policy: "Never" as const } } };
  const silent = { kind: "Silent" as const, why: "no route" };
  const lastFailed = [
    { id: "m", result: "RolledBack" as const, from: "a", to: "b", reason: "CopyFailed", finishedAt: now.toISOString() },
  ];

  const cases: [string, Given, string][] = [
    ["no grant, free choice", { inventory: empty }, "Grant Starting placed=True/OnWantedHost running=False/Starting"],
    [
      "no grant, powered off",
      { inventory: empty, ...off },
      "Nothing Stopped placed=False/Stopped running=False/Stopped",
    ],
    [
      "no grant, a home that is closed",
      { inventory: empty, ...home("b"), refusalOf: () => closed },
      "Nothing Pending placed=False/HostFull running=False/Stopped",
    ],
    [
      "no grant, a silent host",
      { inventory: { unanswered: [{ hostName: "x", why: "off" }], found: [] } },
      "Nothing Pending placed=False/UnansweredHosts running=False/Stopped",
    ],
    [
      "no grant, found running",
      { inventory: { unanswered: [], found: [{ hostName: "x", guest: guest("Running", { uid: "old" }) }] } },
      "Adopt Pending placed=True/OnWantedHost",
    ],
    [
      "no grant, found while another is silent",
      {
        inventory: { unanswered: [{ hostName: "y", why: "off" }], found: [{ hostName: "x", guest: guest("Running") }] },
      },
      "Adopt Pending placed=True/OnWantedHost",
    ],
    [
      "no grant, found powered off",
      { inventory: { unanswered: [], found: [{ hostName: "x", guest: guest("Stopped") }] } },
      "Adopt Pending placed=True/OnWantedHost",
    ],
    [
      "no grant, found powered off while another is silent",
      {
        inventory: { unanswered: [{ hostName: "y", why: "off" }], found: [{ hostName: "x", guest: guest("Stopped") }] },
      },
      "Nothing Pending placed=False/UnansweredHosts running=False/Stopped",
    ],
    [
      "no grant, found in a migration",
      { inventory: { unanswered: [], found: [{ hostName: "x", guest: guest("HandedOver") }] } },
      "Nothing Pending placed=False/Moving running=False/Stopped",
    ],
    [
      "no grant, found running twice",
      {
        inventory: {
          unanswered: [],
          found: [
            { hostName: "x", guest: guest("Running") },
            { hostName: "y", guest: guest("Running") },
          ],
        },
      },
      "Nothing Pending placed=False/Incompatible running=False/Stopped",
    ],
    [
      "no grant, found with another image",
      { inventory: { unanswered: [], found: [{ hostName: "x", guest: guest("Running", { image: "other" }) }] } },
      "Nothing Pending placed=False/Incompatible running=False/Stopped",
    ],

    [
      "granted, not started yet",
      { status: { grant: { hostName: "a", epoch: 3 } }, wanted: "a", holder: answers() },
      "Start Starting placed=True/OnWantedHost running=False/Starting",
    ],
    [
      "granted, not started, host closed since",
      { status: { grant: { hostName: "a", epoch: 3 } }, ...home("a"), holder: answers(), refusalOf: () => closed },
      "Nothing Pending placed=False/HostFull running=False/Stopped",
    ],
    [
      "granted, not started, home changed",
      { status: { grant: { hostName: "a", epoch: 3 } }, ...home("b"), holder: answers() },
      "Grant Starting placed=True/OnWantedHost running=False/Starting",
    ],
    [
      "granted, not started, powered off",
      { status: { grant: { hostName: "a", epoch: 3 } }, ...off, holder: answers() },
      "Nothing Stopped running=False/Stopped",
    ],
    [
      "seen there, and unknown there now",
      { status: onA, wanted: "a", holder: answers() },
      "Nothing Unknown running=Unknown/HostSilent",
    ],

    [
      "host silent",
      { status: onA, wanted: "a", holder: silent },
      "Nothing Unknown placed=Unknown/HostNotReady running=Unknown/HostSilent",
    ],
    [
      "host silent, wanted elsewhere",
      { status: onA, wanted: "b", holder: silent },
      "Nothing Unknown placed=False/HostNotReady running=Unknown/HostSilent",
    ],
    [
      "VMHost deleted",
      { status: onA, wanted: "a", holder: { kind: "NoSuchHost" } },
      "Nothing Unknown placed=Unknown/HostNotReady running=Unknown/HostSilent",
    ],
    [
      "host given up",
      {
        status: onA,
        wanted: "a",
        holder: { kind: "GivenUp" },
        inventory: empty,
        refusalOf: (name) => (name === "a" ? closed : undefined),
      },
      "Grant Starting placed=True/OnWantedHost running=False/Starting",
    ],
    [
      "host given up, shall stay crashed",
      { status: onA, wanted: "a", holder: { kind: "GivenUp" }, inventory: empty, ...fragile },
      "Nothing Crashed placed=False/HostNotReady running=False/Crashed",
    ],
    [
      "home given up",
      { status: onA, ...home("a"), holder: { kind: "GivenUp" }, inventory: empty, refusalOf: () => closed },
      "Nothing Pending placed=False/HostFull running=False/Stopped",
    ],

    ["starting", held("Starting"), "Nothing Starting placed=True/OnWantedHost running=False/Starting"],
    ["running where wanted", held("Running"), "Nothing Running placed=True/OnWantedHost running=True/Running"],
    [
      "running, nothing wanted",
      held("Running", { wanted: undefined }),
      "Nothing Running placed=True/OnWantedHost running=True/Running",
    ],
    ["running, to be off", held("Running", off), "Stop Stopped placed=True/OnWantedHost running=False/Stopped"],
    [
      "running, wanted elsewhere",
      held("Running", { wanted: "b" }),
      "Migrate Running placed=False/Moving running=True/Running",
    ],
    [
      "running, wanted on a closed host",
      held("Running", { wanted: "b", refusalOf: () => closed }),
      "Nothing Running placed=False/HostFull running=True/Running",
    ],
    [
      "running, wanted elsewhere, never to move",
      held("Running", pinned),
      "Nothing Running placed=False/MigrationForbidden running=True/Running",
    ],
    [
      "running, just failed to move",
      held("Running", { wanted: "b", status: { ...onA, migrations: lastFailed } }),
      "Nothing Running placed=False/MigrationFailed running=True/Running",
    ],
    ["powered off as wanted", held("Stopped", off), "Nothing Stopped placed=True/OnWantedHost running=False/Stopped"],
    [
      "powered off as wanted, wanted elsewhere",
      held("Stopped", { ...off, wanted: "b" }),
      "Nothing Stopped placed=False/Stopped running=False/Stopped",
    ],
    ["powered off, to be on", held("Stopped"), "Grant Starting placed=True/OnWantedHost running=False/Starting"],
    ["crashed", held("Crashed"), "Grant Starting placed=True/OnWantedHost running=False/Starting"],
    [
      "crashed a moment ago",
      held("Crashed", { restartInMilliseconds: 4000 }),
      "Nothing Crashed placed=True/OnWantedHost running=False/Crashed",
    ],
    [
      "crashed, shall stay so",
      held("Crashed", fragile),
      "Nothing Crashed placed=True/OnWantedHost running=False/Crashed",
    ],
    ["crashed, to be off", held("Crashed", off), "Nothing Crashed placed=True/OnWantedHost running=False/Crashed"],
    [
      "crashed, host refused to start it",
      held("Crashed", { refusedStart: () => closed }),
      "Nothing Crashed placed=True/OnWantedHost running=False/HostFull",
    ],
    ["lost", held("Lost"), "Grant Starting placed=True/OnWantedHost running=False/Starting"],
    ["lost, shall stay so", held("Lost", fragile), "Nothing Crashed placed=True/OnWantedHost running=False/Crashed"],
    [
      "suspended without a migration",
      held("Suspended"),
      "Nothing Unknown placed=True/OnWantedHost running=False/Moving",
    ],
    [
      "handed over without a migration",
      held("HandedOver"),
      "Nothing Unknown placed=True/OnWantedHost running=False/Moving",
    ],
    ["incoming without a migration", held("Incoming"), "Nothing Unknown placed=True/OnWantedHost running=False/Moving"],

    ["deleted, never started", { isDeleting: true }, "Release Terminating running=False/Terminating"],
    ["deleted, running", held("Running", { isDeleting: true }), "Discard Terminating running=False/Terminating"],
    ["deleted, crashed", held("Crashed", { isDeleting: true }), "Discard Terminating running=False/Terminating"],
    [
      "deleted, gone",
      { status: onA, holder: answers(), isDeleting: true },
      "Release Terminating running=False/Terminating",
    ],
    [
      "deleted, gone, but a copy elsewhere",
      { status: onA, holder: answers(), leftovers: ["b"], isDeleting: true },
      "Discard Terminating running=False/Terminating",
    ],
    [
      "deleted, host silent",
      { status: onA, holder: silent, isDeleting: true },
      "Nothing Terminating running=Unknown/Terminating",
    ],
    [
      "deleted, VMHost deleted",
      { status: onA, holder: { kind: "NoSuchHost" }, isDeleting: true },
      "Nothing Terminating running=Unknown/Terminating",
    ],
    [
      "deleted, host given up",
      { status: onA, holder: { kind: "GivenUp" }, isDeleting: true },
      "Release Terminating running=False/Terminating",
    ],
    [
      "deleted, to be retained",
      held("Running", { isDeleting: true, spec: { deletionPolicy: "Retain" } }),
      "Release Terminating running=False/Terminating",
    ],
    [
      "deleted, to be retained, host silent",
      { status: onA, holder: silent, isDeleting: true, spec: { deletionPolicy: "Retain" } },
      "Release Terminating running=False/Terminating",
    ],
    [
      "a spec that makes no sense",
      held("Running", { spec: { memory: "much" } }),
      "Nothing Pending placed=False/InvalidSpec",
    ],
  ];

  for (const [what, given, wanted] of cases) {
    it(`should answer ${wanted} to: ${what}`, () => {
      expect(summary(decide(situation(given)))).to.equal(wanted);
    });
  }

  it("should grant above every epoch that was used", () => {
    const crashed = situation(held("Crashed", { holder: answers(guest("Crashed", { epoch: 9 })) }));
    expect(decide(crashed).step).to.include({ do: "Grant", hostName: "a", epoch: 10 });
    const granted = situation(held("Crashed", { status: { ...onA, grant: { hostName: "a", epoch: 12 } } }));
    expect(decide(granted).step).to.include({ do: "Grant", hostName: "a", epoch: 13 });
  });

  it("should have an unused grant surrendered before another host gets one", () => {
    const moved = situation({ status: { grant: { hostName: "a", epoch: 3 } }, ...home("b"), holder: answers() });

    expect(decide(moved).step).to.include({ do: "Grant", hostName: "b", epoch: 4, surrenderFrom: "a" });
  });

  it("should move under the epoch that the source has, with the bytes it reports", () => {
    expect(decide(situation(held("Running", { wanted: "b" }))).step).to.deep.equal({
      ...{ do: "Migrate", from: "a", to: "b", epoch: 3, stateBytes: 1000 },
    });
  });

  it("should assume the whole memory while the source cannot say how much would move", () => {
    const { stateBytes: _unknown, ...report } = guest("Running");

    expect(decide(situation(held("Running", { wanted: "b", holder: answers(report) }))).step).to.include({
      stateBytes: 2 ** 29,
    });
  });

  it("should choose anew when the scheduler's own choice has closed before the start", () => {
    const assignment = { hostName: "b", by: { kind: "Scheduler" as const } };
    const given = { status: { assignment }, wanted: "b", inventory: empty };
    const refusalOf = (name: string) => (name === "b" ? closed : undefined);

    expect(decide(situation({ ...given, refusalOf })).step).to.include({
      do: "Grant",
      hostName: "c",
      byScheduler: true,
    });
  });
});
