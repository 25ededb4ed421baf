import { expect } from "chai";
import type { Reservation } from "../../../../src/api/resources.ts";
import { reservations } from "../../../../src/api/resources.ts";
import { World } from "./world.ts";

const key = { namespace: "default", name: "experiment" };

/** One host to vacate, with three VMs, and two to go to. */
function threeHosts(): World {
  const world = new World();
  for (const name of ["host-a", "host-b", "host-c"]) world.host(name);
  for (const name of ["one", "two", "three"]) world.machine(name, "host-a");
  world.machine("pinned-b", "host-b", { migration: { policy: "Never" } });
  world.machine("pinned-c", "host-c", { migration: { policy: "Never" } });
  return world;
}

describe("what people hold back of a reservation", () => {
  let world: World;
  const status = () => world.reservation("experiment").status;
  const edit = (spec: Partial<Reservation["spec"]>) => world.client.patch(reservations, key, { spec });
  const announced = (reason: string) => world.events.recorded.filter((line) => line.split(" ")[1] === reason);
  const untilStartBy = () => world.runWhile(() => world.time() < new Date(status()?.startBy ?? 0).toISOString());

  beforeEach(() => {
    world = threeHosts();
  });

  afterEach(() => {
    expect(world.violations).to.deep.equal([]);
  });

  describe("by approval", () => {
    const manual = (planHash?: string) => ({ approval: { mode: "Manual" as const, ...(planHash && { planHash }) } });

    it("should begin with the approved plan, and carry it out as it is", async () => {
      await world.reserve("experiment", manual());
      await world.runUntil(2);
      expect(world.condition("experiment", "Approved")).to.equal("False ApprovalRequired");
      const plan = status()?.plan;
      expect(world.message("experiment", "Approved")).to.include(`plan ${plan?.hash} waits`);
      await edit(manual(plan?.hash));
      await world.runUntil(4);
      expect(world.condition("experiment", "Approved")).to.equal("True PlanApproved");
      // A target on which a move has failed would be avoided, if people had not said otherwise.
      const first = plan?.moves?.[0];
      world.failing.add(`${first?.name} ${first?.to}`);
      await world.runWhile(() => world.migrations.filter((line) => line.startsWith(first?.name ?? "")).length < 2);
      world.failing.clear();
      await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
      const places = world.places();
      for (const { name, to } of plan?.moves ?? []) expect(places[name]).to.equal(to);
      expect(status()?.plan?.hash).to.equal(plan?.hash);
      expect(announced("PlanApproved")).to.have.length(1);
    });

    it("should begin nothing without approval, be at risk, and miss the window", async () => {
      await world.reserve("experiment", manual());
      await world.runUntil(1);
      await untilStartBy();
      await world.step();
      expect(world.condition("experiment", "AtRisk")).to.equal("True ApprovalRequired");
      expect(world.message("experiment", "AtRisk")).to.match(/should have begun at .* would be on time with \d+\.\d%/);
      await world.runWhile(() => !world.condition("experiment", "Completed").startsWith("True"));
      expect(world.migrations).to.deep.equal([]);
      expect(world.condition("experiment", "Completed")).to.equal("True NotStarted");
      expect(world.message("experiment", "Completed")).to.include("spec.approval.planHash");
      expect(status()?.windows?.[0]?.result).to.equal("Missed");
    });

    it("should begin late when the approval comes late", async () => {
      await world.reserve("experiment", manual());
      await world.runUntil(130);
      expect(status()?.vacatingSince).to.equal(undefined);
      await edit(manual(status()?.plan?.hash));
      await world.runWhile(() => world.condition("experiment", "Active") !== "True WindowOpen");
      expect(status()?.outcome?.result).to.equal("Late");
    });

    it("should say that an approval is stale, naming both plans, when another plan has become necessary", async () => {
      await world.reserve("experiment", manual());
      await world.runUntil(2);
      const approved = status()?.plan?.hash ?? "";
      await edit(manual(approved));
      await world.runUntil(3);
      world.machine("four", "host-a");
      await world.runUntil(4);
      const present = status()?.plan?.hash ?? "";
      expect(present).to.not.equal(approved);
      expect(world.condition("experiment", "Approved")).to.equal("False PlanStale");
      expect(world.message("experiment", "Approved")).to.include(approved).and.to.include(present);
      expect(announced("PlanStale")[0]).to.match(/^Warning/);
      await untilStartBy();
      await world.runUntil(119);
      expect(world.migrations).to.deep.equal([]);
      expect(world.condition("experiment", "AtRisk")).to.equal("True PlanStale");
    });

    it("should stop while vacating when the approved plan does not do any more, until the new one is approved", async () => {
      await world.reserve("experiment", manual());
      await world.runUntil(2);
      await edit(manual(status()?.plan?.hash));
      await world.runWhile(() => world.migrations.length === 0);
      world.machine("four", "host-a");
      await world.step();
      expect(world.condition("experiment", "Approved")).to.equal("False PlanStale");
      await world.runUntil(119);
      expect(world.migrations, "what was in flight ended").to.have.length(1);
      expect(world.condition("experiment", "AtRisk")).to.equal("True PlanStale");
      await edit(manual(status()?.plan?.hash));
      await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
      expect(world.places().four).to.not.equal("host-a");
    });

    it("should keep the approved plan when only the sizes of the guests change", async () => {
      await world.reserve("experiment", manual());
      await world.runUntil(2);
      const approved = status()?.plan?.hash ?? "";
      await edit(manual(approved));
      for (const guest of world.agents.get("host-a")?.inventory ?? []) guest.stateBytes = 4e8;
      await world.runUntil(40);
      expect(status()?.plan?.hash).to.equal(approved);
      expect(world.condition("experiment", "Approved")).to.equal("True PlanApproved");
    });
  });

  describe("by suspending it", () => {
    it("should hold no hosts for one that is made suspended, until it is resumed", async () => {
      await world.reserve("experiment", { suspend: true });
      await world.runUntil(3);
      expect(world.condition("experiment", "Suspended")).to.equal("True Suspended");
      expect(world.condition("experiment", "Admitted")).to.equal("False Suspended");
      expect(Object.values(world.holders()).flat()).to.deep.equal([]);
      await edit({ suspend: false });
      await world.runUntil(5);
      expect(world.condition("experiment", "Admitted")).to.equal("True HostsHeld");
      expect(status()?.conditions?.some(({ type }) => type === "Suspended")).to.equal(false);
    });

    it("should keep the hosts and begin nothing, then begin late", async () => {
      await world.reserve("experiment", {});
      await world.runUntil(2);
      await edit({ suspend: true });
      await world.runUntil(119);
      expect(world.holders()["host-a"]).to.deep.equal(["experiment"]);
      expect(world.migrations).to.deep.equal([]);
      expect(world.condition("experiment", "AtRisk")).to.equal("True Suspended");
      await edit({ suspend: false });
      await world.runWhile(() => world.condition("experiment", "Active") !== "True WindowOpen");
    });

    it("should end what is in flight and start nothing more while vacating", async () => {
      await world.reserve("experiment", {});
      await world.runWhile(() => world.migrations.length === 0);
      await edit({ suspend: true });
      await world.runUntil(119);
      expect(world.migrations).to.have.length(1);
      expect(status()?.progress?.summary).to.equal("1/3");
      expect(world.condition("experiment", "AtRisk")).to.equal("True Suspended");
      await edit({ suspend: false });
      await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
    });

    it("should send nobody home while it is suspended, but give everything back when it is deleted", async () => {
      await world.reserve("experiment", {});
      await world.runWhile(() => world.condition("experiment", "Active") !== "True WindowOpen");
      await edit({ suspend: true });
      const before = world.places();
      await world.runUntil(300);
      expect(world.places()).to.deep.equal(before);
      expect(world.condition("experiment", "Completed")).to.equal("False Returning");
      expect(world.message("experiment", "Completed")).to.include("spec.suspend is true");
      await world.client.delete(reservations, key);
      await world.runWhile(() => world.client.peekAll(reservations).length > 0);
      expect(world.holders()["host-a"]).to.deep.equal([]);
    });
  });

  describe("by giving up when it is late", () => {
    it("should release the hosts and bring everybody back when the window begins and they are not free", async () => {
      world.migrationSeconds = 60;
      await world.reserve("experiment", { whenLate: "GiveUp" });
      await world.runUntil(119);
      expect(world.migrations).to.not.deep.equal([]);
      await world.runWhile(() => world.condition("experiment", "Vacated") !== "False GaveUp");
      expect(Date.parse(world.time())).to.be.below(Date.parse(world.at(122)));
      expect(announced("GaveUp")[0]).to.match(/^Warning GaveUp .*: gave up, as spec.whenLate asks/);
      await world.runWhile(() => !world.condition("experiment", "Completed").startsWith("True"));
      expect(world.condition("experiment", "Completed")).to.equal("True GaveUp");
      expect(status()?.outcome?.result).to.equal("Missed");
      expect(status()?.windows?.[0]?.result).to.equal("Missed");
      expect(world.holders()["host-a"]).to.deep.equal([]);
      for (const name of ["one", "two", "three"]) expect(world.places()[name]).to.equal("host-a");
      const after = world.migrations.length;
      await world.runUntil(500);
      expect(world.migrations).to.have.length(after);
    });

    it("should not give up a window that was reached in time", async () => {
      await world.reserve("experiment", { whenLate: "GiveUp" });
      await world.runUntil(150);
      expect(world.condition("experiment", "Active")).to.equal("True WindowOpen");
      world.silent.add("host-a");
      await world.runUntil(160);
      expect(status()?.outcome?.result).to.equal("OnTime");
    });

    it("should give up when vacating was not approved before the window begins, and go on to the next window", async () => {
      const window = { schedule: "*/5 * * * *", duration: "2m" };
      await world.reserve("experiment", { window, whenLate: "GiveUp", approval: { mode: "Manual" } });
      await world.runUntil(299);
      expect(world.holders()["host-a"]).to.deep.equal(["experiment"]);
      await world.runUntil(302);
      expect(status()?.windows?.[0]).to.include({ number: 1, result: "Missed" });
      await world.runUntil(304);
      expect(status()?.window).to.deep.equal({ number: 2, start: world.at(600), end: world.at(720) });
      expect(status()?.phase).to.equal("Planned");
    });
  });
});
