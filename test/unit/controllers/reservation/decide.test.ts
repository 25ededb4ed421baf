import { expect } from "chai";
import type { Reservation, VirtualMachine, VMHost } from "../../../../src/api/resources.ts";
import { reservations, virtualMachines, vmHosts } from "../../../../src/api/resources.ts";
import { decide } from "../../../../src/controllers/reservation/decide.ts";
import { announcements } from "../../../../src/controllers/reservation/decision.ts";
import { formatProbability, isAtRisk } from "../../../../src/controllers/reservation/plan-status.ts";
import type { Inventory, ReservationView } from "../../../../src/controllers/reservation/view.ts";
import { World } from "./world.ts";

function answers(world: World): Map<string, Inventory> {
  return new Map(
    [...world.agents].map(([name, { inventory }]) => [name, { isHoldConfirmed: true, guests: inventory }]),
  );
}

/** What the controller would see in the world now. */
function viewOf(world: World, name = "experiment", inventories = answers(world)): ReservationView {
  return {
    now: world.clock.now(),
    reservation: world.reservation(name),
    hosts: world.client.peekAll<VMHost>(vmHosts),
    virtualMachines: world.client.peekAll<VirtualMachine>(virtualMachines),
    models: [],
    reservations: world.client.peekAll<Reservation>(reservations),
    inventories,
  };
}

const kinds = (view: ReservationView) => decide(view).actions.map((action) => action.do);

describe("decide", () => {
  let world: World;

  beforeEach(async () => {
    world = new World();
    for (const name of ["host-a", "host-b", "host-c"]) world.host(name);
    world.machine("vm-1", "host-a");
    world.machine("vm-2", "host-b");
    world.machine("vm-3", "host-c", { migration: { policy: "Never" } });
    await world.reserve("experiment");
  });

  it("should hold first and admit only when the holds were read back", async () => {
    const first = decide(viewOf(world));
    expect(first.actions.map((action) => action.do)).to.deep.equal(["Hold"]);
    expect(first.status).to.deep.equal({});
    await world.reconcileAll();
    const second = decide(viewOf(world));
    expect(second.actions).to.deep.equal([]);
    expect(second.status.phase).to.equal("Planned");
  });

  it("should decide the same whenever it is asked", async () => {
    for (const seconds of [1, 60, 118, 121, 245]) {
      await world.runUntil(seconds);
      expect(decide(viewOf(world))).to.deep.equal(decide(viewOf(world)));
    }
  });

  it("should record the beginning before it tells a VM to move", async () => {
    await world.runUntil(2);
    await world.clock.advance(
      Date.parse(world.reservation("experiment").status?.startBy ?? "") - world.clock.now().getTime(),
    );
    const begin = decide(viewOf(world));
    expect(begin.status.vacatingSince).to.equal(world.time());
    expect(begin.actions).to.deep.equal([]);
    await world.reconcileAll();
    const next = decide(viewOf(world));
    expect(next.actions).to.have.length(1);
    const [action] = next.actions;
    expect(action).to.have.nested.property("assignment.by.kind", "Reservation");
    expect(action).to.have.nested.property(
      "assignment.returnTo",
      world.reservation("experiment").status?.hosts?.[0]?.name,
    );
  });

  it("should leave a window it was admitted to alone when it passes while nobody looks", async () => {
    await world.runUntil(2);
    await world.clock.advance(3_600_000);
    expect(kinds(viewOf(world))).to.deep.equal(["Release"]);
    await world.reconcileAll();
    expect(decide(viewOf(world)).status.phase).to.equal("Completed");
    await world.reconcileAll();
    expect(world.condition("experiment", "Completed")).to.equal("True NotStarted");
  });

  const inventories: [name: string, inventory: Inventory | undefined, vacated: string][] = [
    ["nobody asked the agent", undefined, "False HostNotAnswering"],
    ["the agent does not answer", { unavailable: "its agent is not connected" }, "False HostNotAnswering"],
    ["the agent has no hold yet", { isHoldConfirmed: false, guests: [] }, "False Vacating"],
    ["the agent has the hold and no guest", { isHoldConfirmed: true, guests: [] }, "True HostsFree"],
  ];
  for (const [name, inventory, vacated] of inventories) {
    it(`should set Vacated=${vacated} when ${name}`, async () => {
      await world.runWhile(() => world.migrations.length === 0);
      const host = world.reservation("experiment").status?.hosts?.[0]?.name ?? "";
      const view = viewOf(world, "experiment", inventory ? new Map([[host, inventory]]) : new Map());
      const found = decide(view).status.conditions?.find(({ type }) => type === "Vacated");
      expect(`${found?.status} ${found?.reason}`).to.equal(vacated);
    });
  }

  const states = [
    ["Starting", false],
    ["Running", false],
    ["Suspended", false],
    ["HandedOver", false],
    ["Incoming", false],
    ["Stopped", true],
    ["Crashed", true],
    ["Lost", true],
  ] as const;
  for (const [state, isFree] of states) {
    it(`should ${isFree ? "" : "not "}call a host free that has a guest in state ${state}`, async () => {
      await world.runWhile(() => world.migrations.length === 0);
      const host = world.reservation("experiment").status?.hosts?.[0]?.name ?? "";
      const guest = {
        uid: "x",
        namespace: "default",
        name: "x",
        epoch: 1,
        state,
        cpus: 1,
        memoryBytes: 1,
        image: "i",
        bootId: "b",
      };
      const view = viewOf(world, "experiment", new Map([[host, { isHoldConfirmed: true, guests: [guest] }]]));
      const found = decide(view).status.conditions?.find(({ type }) => type === "Vacated");
      expect(found?.status).to.equal(isFree ? "True" : "False");
    });
  }

  it("should open its holds before it sends anybody home when it is deleted in its window", async () => {
    await world.runUntil(130);
    await world.client.delete(reservations, { namespace: "default", name: "experiment" });
    const { actions } = decide(viewOf(world));
    expect(actions).to.have.length(1);
    expect(actions[0]).to.deep.include({ do: "Hold" });
    expect(actions[0]).to.have.nested.property("hold.end", world.at(130));
  });

  it("should send a VM elsewhere when its target refuses it", async () => {
    await world.runUntil(2);
    world.host("host-d");
    await world.step();
    const move = world.reservation("experiment").status?.plan?.moves?.[0];
    await world.runWhile(() => world.reservation("experiment").status?.vacatingSince === undefined);
    await world.reconcileAll();
    const placed = {
      type: "Placed",
      status: "False",
      reason: "HostFull",
      message: "",
      lastTransitionTime: world.time(),
    };
    const key = { namespace: "default", name: move?.name ?? "" };
    await world.client.patch(virtualMachines, key, { status: { conditions: [placed] } }, { subresource: "status" });
    const { actions, status } = decide(viewOf(world));
    expect(actions).to.have.length(1);
    expect(actions[0]).to.have.nested.property("assignment.hostName").that.does.not.equal(move?.to);
    expect(status.plan?.moves?.[0]?.to).to.not.equal(move?.to);
    expect(status.progress?.failed).to.equal(1);
  });
});

describe("formatProbability", () => {
  for (const [probability, text] of [
    [1, "100%"],
    [0.9999, "99.9%"],
    [0.9934, "99.3%"],
    [0, "0.0%"],
  ] as const) {
    it(`should write ${probability} as ${text}`, () => {
      expect(formatProbability(probability)).to.equal(text);
    });
  }
});

describe("isAtRisk", () => {
  for (const [probability, target, isRaised, expected] of [
    [0.99, 0.99, false, false],
    [0.975, 0.99, false, false],
    [0.96, 0.99, false, true],
    [0.975, 0.99, true, true],
    [0.99, 0.99, true, false],
    [0.5, 0.5, false, false],
    [0.2, 0.5, false, true],
  ] as const) {
    it(`should be ${expected} at ${probability} of ${target}${isRaised ? " once raised" : ""}`, () => {
      expect(isAtRisk(probability, target, isRaised)).to.equal(expected);
    });
  }
});

describe("announcements", () => {
  const condition = (status: "True" | "False" | "Unknown", type = "Vacated", reason = "HostsFree") => ({
    type,
    status,
    reason,
    message: "m",
    lastTransitionTime: "2030-01-01T00:00:00Z",
  });

  it("should tell every transition once, with the right weight", () => {
    const after = { conditions: [condition("True")] };
    expect(announcements(undefined, after)).to.deep.equal([{ type: "Normal", reason: "HostsFree", message: "m" }]);
    expect(announcements(after, after)).to.deep.equal([]);
    const silent = { conditions: [condition("Unknown", "Vacated", "HostNotAnswering")] };
    expect(announcements(after, silent)[0]?.type).to.equal("Warning");
    const refused = { conditions: [condition("False", "Admitted", "Conflict")] };
    expect(announcements(undefined, refused)[0]?.type).to.equal("Warning");
    const waiting = { conditions: [condition("False", "Active", "WindowNotOpen")] };
    expect(announcements(undefined, waiting)).to.deep.equal([]);
  });
});
