import { expect } from "chai";
import { reservations, virtualMachines, vmHosts } from "../../../../src/api/resources.ts";
import { ApiError } from "../../../../src/runtime/client.ts";
import { World } from "./world.ts";

/** Four hosts, two VMs on each of the first two, one of them at home. */
function fourHosts(): World {
  const world = new World();
  for (const name of ["host-a", "host-b", "host-c", "host-d"]) world.host(name);
  world.machine("homed-a", "host-a", { hostName: "host-a" });
  world.machine("loose-a", "host-a");
  world.machine("homed-b", "host-b", { hostName: "host-b" });
  world.machine("loose-b", "host-b");
  // Never moved, so that host-a and host-b are the ones to choose.
  world.machine("pinned-c", "host-c", { migration: { policy: "Never" } });
  world.machine("pinned-d", "host-d", { migration: { policy: "Never" } });
  return world;
}

const home = {
  "homed-a": "host-a",
  "loose-a": "host-a",
  "homed-b": "host-b",
  "loose-b": "host-b",
  "pinned-c": "host-c",
  "pinned-d": "host-d",
};

describe("the reservation controller", () => {
  let world: World;

  beforeEach(() => {
    world = fourHosts();
  });

  afterEach(() => {
    expect(world.violations).to.deep.equal([]);
  });

  it("should carry a reservation from admission to completion", async () => {
    await world.reserve("experiment", { count: 2 });
    await world.runUntil(2);
    const planned = world.reservation("experiment");
    expect(planned.status?.phase).to.equal("Planned");
    expect(planned.status?.hosts?.map(({ name }) => name)).to.deep.equal(["host-a", "host-b"]);
    expect(planned.status?.plan?.moves).to.have.length(4);
    expect(planned.metadata.finalizers).to.deep.equal(["vacate.dev/reservation"]);
    expect(planned.status?.onTimeProbability).to.match(/^9[89]\.\d%$/);
    const startBy = planned.status?.startBy ?? "";
    const hold = world.client.peek(vmHosts, { name: "host-a" })?.status?.holds?.[0];
    expect(hold).to.include({ start: world.at(120), end: world.at(240), closedFrom: startBy });
    expect(world.migrations).to.deep.equal([]);

    await world.runWhile(() => world.clock.now().getTime() < Date.parse(startBy));
    expect(world.migrations).to.deep.equal([]);
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
    expect(Date.parse(world.time())).to.be.below(Date.parse(world.at(120)));
    expect(world.reservation("experiment").status?.progress?.summary).to.equal("4/4");
    expect(world.condition("experiment", "Active")).to.equal("False WindowNotOpen");
    expect(world.mostAtOnce).to.equal(1);

    await world.runUntil(121);
    const active = world.reservation("experiment").status;
    expect(active?.phase).to.equal("Active");
    expect(active?.outcome?.result).to.equal("OnTime");
    expect(active?.outcome?.leadMilliseconds).to.be.above(0);
    expect(active?.outcome?.measuredMilliseconds).to.be.within(16_000, 25_000);
    expect(active?.outcome?.predictedMilliseconds).to.be.above(0);

    await world.runWhile(() => world.condition("experiment", "Completed") !== "True Returned");
    expect(world.places()).to.deep.equal(home);
    expect(world.holders()).to.deep.equal({ "host-a": [], "host-b": [], "host-c": [], "host-d": [] });
    expect(world.mostAtOnce, "one at a time, also on the way back").to.equal(1);
    expect(world.migrations).to.have.length(8);
    expect(world.reservation("experiment").status).to.not.have.property("vacatingSince");
    expect(world.reservation("experiment").metadata.finalizers ?? []).to.deep.equal([]);
    const reasons = world.events.recorded.map((line) => line.split(" ").slice(0, 2).join(" "));
    expect(reasons).to.deep.equal([
      "Normal HostsHeld",
      "Normal PlanReady",
      "Normal Vacating",
      "Normal HostsFree",
      "Normal WindowOpen",
      "Normal Returning",
      "Normal Returned",
    ]);
    const { values } = await world.metrics.reservations.get();
    expect(values.find(({ labels }) => labels.result === "OnTime")?.value).to.equal(1);
  });

  it("should be finished: nothing more is written once it has completed", async () => {
    await world.reserve("experiment");
    await world.runWhile(() => !world.condition("experiment", "Completed").startsWith("True"));
    await world.step();
    const writes = () => world.client.calls.filter(({ verb }) => verb === "patch").length;
    const before = writes();
    await world.runUntil(600);
    expect(writes()).to.equal(before);
  });

  it("should write nothing while it waits for start-by", async () => {
    await world.reserve("experiment", { window: { start: world.at(3600), duration: "2m" } });
    await world.runUntil(3);
    const before = world.client.calls.filter(({ verb }) => verb === "patch").length;
    await world.runUntil(60);
    expect(world.client.calls.filter(({ verb }) => verb === "patch")).to.have.length(before);
  });

  it("should leave homeless VMs where they went when asked, and send the others home", async () => {
    await world.reserve("experiment", { count: 2, afterwards: "Stay" });
    await world.runWhile(() => world.condition("experiment", "Completed") !== "True Stayed");
    const places = world.places();
    expect(places).to.include({ "homed-a": "host-a", "homed-b": "host-b" });
    expect([places["loose-a"], places["loose-b"]].every((name) => ["host-c", "host-d"].includes(name ?? ""))).to.equal(
      true,
    );
    await world.runUntil(600);
    expect(world.places()).to.deep.equal(places);
  });

  it("should move as many at once as the spec says", async () => {
    await world.reserve("experiment", { count: 2, parallelMigrations: 3 });
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
    expect(world.mostAtOnce).to.equal(3);
  });

  it("should let allowed guests stay", async () => {
    world.machine("guest-mine", "host-a", {}, { run: "bmi" });
    await world.reserve("experiment", { count: 2, guests: { selector: { matchLabels: { run: "bmi" } } } });
    await world.runWhile(() => world.condition("experiment", "Active") !== "True WindowOpen");
    expect(world.places()["guest-mine"]).to.equal("host-a");
  });

  it("should start at once and say so when start-by is past at admission", async () => {
    await world.reserve("experiment", { window: { start: world.at(10), duration: "2m" } });
    await world.runUntil(2);
    expect(world.condition("experiment", "AtRisk")).to.equal("True StartByPassed");
    expect(world.reservation("experiment").status?.vacatingSince).to.not.equal(undefined);
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
  });

  it("should stay vacating when the window is reached, and be active late", async () => {
    world.migrationSeconds = 40;
    await world.reserve("experiment", { count: 2 });
    await world.runUntil(121);
    expect(world.condition("experiment", "AtRisk")).to.equal("True WindowReached");
    expect(world.condition("experiment", "Active")).to.equal("False Vacating");
    expect(world.reservation("experiment").status?.onTimeProbability).to.equal("0.0%");
    await world.runWhile(() => world.condition("experiment", "Active") !== "True WindowOpen");
    const { outcome } = world.reservation("experiment").status ?? {};
    expect(outcome?.result).to.equal("Late");
    expect(outcome?.leadMilliseconds).to.be.below(0);
    expect(outcome?.lead).to.match(/^-/);
  });

  it("should raise the alarm while it falls behind, and name the probability", async () => {
    world.migrationSeconds = 25;
    await world.reserve("experiment", { count: 2 });
    await world.runWhile(() => world.condition("experiment", "AtRisk") !== "True BehindPlan");
    expect(Date.parse(world.time())).to.be.below(Date.parse(world.at(120)));
    expect(world.message("experiment", "AtRisk")).to.match(/^on time with \d+\.\d%, 99% wanted/);
  });

  it("should count a window that was never free as late and still bring everybody back", async () => {
    world.migrationSeconds = 100;
    await world.reserve("experiment", { count: 2 });
    await world.runWhile(() => !world.condition("experiment", "Completed").startsWith("True"));
    expect(world.reservation("experiment").status?.outcome?.result).to.equal("Late");
    expect(world.places()).to.deep.equal(home);
    const { values } = await world.metrics.reservations.get();
    expect(values.find(({ labels }) => labels.result === "Late")?.value).to.equal(1);
  });

  it("should try a failed move again with another target", async () => {
    await world.reserve("experiment", { count: 2 });
    await world.runUntil(2);
    const first = world.reservation("experiment").status?.plan?.moves?.find(({ name }) => name === "loose-a");
    world.failing.add(`loose-a ${first?.to}`);
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
    const tried = world.migrations.filter((line) => line.startsWith("loose-a"));
    expect(tried[0]).to.equal(`loose-a host-a→${first?.to}`);
    expect(tried.at(-1)).to.not.equal(tried[0]);
    expect(world.places()["loose-a"]).to.not.equal(first?.to);
    const now = world.reservation("experiment").status?.plan?.moves?.find(({ name }) => name === "loose-a");
    expect(now?.to).to.equal(world.places()["loose-a"]);
  });

  it("should not say vacated while a held host is silent, and go on once it answers", async () => {
    await world.reserve("experiment", { count: 2 });
    await world.runWhile(() => world.migrations.length < 4);
    world.muted.add("host-b");
    await world.runUntil(119);
    expect(world.reservation("experiment").status?.progress?.summary).to.equal("4/4");
    expect(world.condition("experiment", "Vacated")).to.equal("False HostNotAnswering");
    expect(world.message("experiment", "Vacated")).to.include("host-b: its agent is not connected");
    world.muted.delete("host-b");
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
  });

  it("should say unknown, not vacated, when a host that was free falls silent", async () => {
    await world.reserve("experiment", { count: 2 });
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
    world.silent.add("host-a");
    await world.step();
    expect(world.condition("experiment", "Vacated")).to.equal("Unknown HostNotAnswering");
    world.silent.delete("host-a");
    await world.step();
    expect(world.condition("experiment", "Vacated")).to.equal("True HostsFree");
  });

  it("should not believe statuses: a guest that only the agent knows keeps a host from being vacated", async () => {
    const stray = world.agents.get("host-c")?.inventory[0];
    if (stray) world.agents.get("host-a")?.inventory.push({ ...stray, uid: "uid-stray", name: "stray" });
    await world.reserve("experiment", { count: 2 });
    await world.runUntil(130);
    expect(world.condition("experiment", "Vacated")).to.equal("False Vacating");
    expect(world.message("experiment", "Vacated")).to.include("host-a has default/stray (Running)");
    expect(world.condition("experiment", "Active")).to.equal("False Vacating");
  });

  describe("with two overlapping reservations", () => {
    it("should give the second one other hosts when there are", async () => {
      world.host("host-e");
      await world.reserve("first", { count: 1 });
      await world.reserve("second", { count: 1 });
      await world.runUntil(3);
      const hostsOf = (name: string) => world.reservation(name).status?.hosts?.map((host) => host.name);
      expect(hostsOf("first")).to.deep.equal(["host-e"]);
      expect(hostsOf("second")).to.have.length(1);
      expect(hostsOf("second")).to.not.deep.equal(hostsOf("first"));
    });

    it("should refuse the younger one with the holder's name and hold nothing for it", async () => {
      await world.reserve("zz-older", { count: 2 });
      await world.runUntil(1);
      await world.reserve("aa-younger", { count: 2 });
      await world.runUntil(3);
      expect(world.condition("zz-older", "Admitted")).to.equal("True HostsHeld");
      expect(world.condition("aa-younger", "Admitted")).to.equal("False Conflict");
      expect(world.message("aa-younger", "Admitted")).to.include("host-a is held by default/zz-older");
      expect(world.message("aa-younger", "Admitted")).to.match(/it would fit from 2030-01-01T00:04:00/);
      expect(world.reservation("aa-younger").status?.phase).to.equal("Refused");
      expect(world.holders()["host-a"]).to.deep.equal(["zz-older"]);
    });

    it("should let the older one win when both are new, whoever is looked at first", async () => {
      await world.reserve("zz-older", { count: 2 });
      await world.clock.advance(1000);
      await world.reserve("aa-younger", { count: 2 });
      await world.runUntil(5);
      expect(world.condition("zz-older", "Admitted")).to.equal("True HostsHeld");
      expect(world.condition("aa-younger", "Admitted")).to.equal("False Conflict");
    });

    it("should resolve two half-made sets for the older one", async () => {
      await world.reserve("older", { count: 2 });
      await world.clock.advance(1000);
      await world.reserve("younger", { count: 2 });
      // As after a crash of two operators in the middle: each holds one of the two hosts.
      for (const [hostName, name] of [
        ["host-a", "older"],
        ["host-b", "younger"],
      ] as const) {
        const { metadata } = world.reservation(name);
        const reservation = { namespace: "default", name, uid: metadata.uid ?? "" };
        const hold = { reservation, start: world.at(120), end: world.at(240), since: metadata.creationTimestamp ?? "" };
        await world.client.patch(vmHosts, { name: hostName }, { status: { holds: [hold] } }, { subresource: "status" });
      }
      await world.runUntil(6);
      expect(world.condition("older", "Admitted")).to.equal("True HostsHeld");
      expect(world.condition("younger", "Admitted")).to.equal("False Conflict");
      expect(world.holders()).to.deep.equal({ "host-a": ["older"], "host-b": ["older"], "host-c": [], "host-d": [] });
    });

    it("should admit the second one once the first is deleted", async () => {
      await world.reserve("first", { count: 2 });
      await world.runUntil(1);
      await world.reserve("second", { count: 2 });
      await world.runUntil(3);
      await world.client.delete(reservations, { namespace: "default", name: "first" });
      await world.runUntil(6);
      expect(world.condition("second", "Admitted")).to.equal("True HostsHeld");
    });

    it("should respect a hold that another one writes in between", async () => {
      await world.reserve("experiment", { count: 2 });
      const rival = { namespace: "lab", name: "rival", uid: "uid-rival" };
      const hold = { reservation: rival, start: world.at(100), end: world.at(200), since: world.at(0) };
      world.client.beforeNext("patch", vmHosts, async () => {
        const { client } = world;
        await client.patch(vmHosts, { name: "host-a" }, { status: { holds: [hold] } }, { subresource: "status" });
      });
      await world.runUntil(5);
      expect(world.holders()["host-a"]).to.deep.equal(["rival"]);
      expect(world.condition("experiment", "Admitted")).to.equal("False Conflict");
      expect(world.holders()["host-b"], "a half-made set is released").to.deep.equal([]);
    });
  });

  it("should be admitted although every write conflicts once", async () => {
    const conflict = () => new ApiError(409, "Conflict", "the object has been modified");
    for (const resource of [vmHosts, vmHosts, vmHosts, vmHosts, vmHosts])
      world.client.failNext("patch", resource, conflict());
    world.client.failNext("patch", reservations, conflict());
    await world.reserve("experiment", { count: 2 });
    await world.runUntil(4);
    expect(world.condition("experiment", "Admitted")).to.equal("True HostsHeld");
  });

  describe("deleted", () => {
    it("should release its hosts when nothing has begun", async () => {
      await world.reserve("experiment", { count: 2 });
      await world.runUntil(5);
      await world.client.delete(reservations, { namespace: "default", name: "experiment" });
      await world.runWhile(() => world.client.peekAll(reservations).length > 0);
      expect(world.holders()["host-a"]).to.deep.equal([]);
      expect(world.migrations).to.deep.equal([]);
    });

    it("should finish what is in flight, drop the rest and leave no assignment", async () => {
      await world.reserve("experiment", { count: 2 });
      await world.runWhile(() => world.migrations.length < 2);
      expect(world.client.peekAll(virtualMachines).some((vm) => vm.status?.migration)).to.equal(true);
      await world.client.delete(reservations, { namespace: "default", name: "experiment" });
      await world.step();
      expect(world.client.peekAll(reservations), "still there while a VM is in flight").to.have.length(1);
      await world.runWhile(() => world.client.peekAll(reservations).length > 0);
      await world.runUntil(200);
      expect(world.holders()["host-a"]).to.deep.equal([]);
      const byReservation = world.client
        .peekAll(virtualMachines)
        .filter((vm) => vm.status?.assignment?.by.kind === "Reservation");
      expect(byReservation).to.deep.equal([]);
      expect(world.places()).to.include({ "homed-a": "host-a", "homed-b": "host-b" });
      expect(world.mostAtOnce).to.equal(1);
    });

    it("should bring VMs with a home back one at a time in the middle of the window", async () => {
      await world.reserve("experiment", { count: 2 });
      await world.runUntil(150);
      await world.client.delete(reservations, { namespace: "default", name: "experiment" });
      await world.runWhile(() => world.client.peekAll(reservations).length > 0);
      expect(world.places()).to.include({ "homed-a": "host-a", "homed-b": "host-b" });
      expect(world.mostAtOnce).to.equal(1);
    });
  });

  it("should go on wherever the operator is killed and started again", async () => {
    // Killed at every write, before it takes effect, at every stage.
    await world.reserve("experiment", { count: 2 });
    for (let round = 0; !world.condition("experiment", "Completed").startsWith("True"); round++) {
      if (round > 4000) throw new Error(`not completed at ${world.time()}`);
      const resource = [reservations, virtualMachines, vmHosts][round % 3] ?? reservations;
      if (round % 5 === 0) world.client.failNext("patch", resource, new ApiError(409, "Conflict", "killed"));
      world.restart();
      try {
        await world.step();
      } catch (error) {
        // The world's own writes meet the same fault; they are tried again in the next step.
        if (!(error instanceof ApiError)) throw error;
      }
    }
    expect(world.places()).to.deep.equal(home);
    expect(world.holders()["host-a"]).to.deep.equal([]);
    expect(world.reservation("experiment").status?.outcome?.result).to.equal("OnTime");
  });

  it("should refuse a window in the past and a spec that makes no sense, and hold nothing", async () => {
    await world.reserve("past", { window: { start: world.at(-60), duration: "2m" } });
    await world.reserve("short", { window: { start: world.at(600), duration: "5s" } });
    await world.reserve("many", { count: 9 });
    await world.runUntil(2);
    expect(world.condition("past", "Admitted")).to.equal("False WindowInPast");
    expect(world.condition("short", "Admitted")).to.equal("False InvalidSpec");
    expect(world.message("short", "Admitted")).to.equal("spec.window.duration 5s is not between 1m and 720h");
    expect(world.condition("many", "Admitted")).to.equal("False InsufficientHosts");
    expect(Object.values(world.holders()).flat()).to.deep.equal([]);
  });

  it("should plan again when a VM appears, and follow an edited window", async () => {
    await world.reserve("experiment", { count: 2 });
    await world.runUntil(2);
    const before = world.reservation("experiment").status;
    world.machine("new-a", "host-a");
    await world.step();
    const after = world.reservation("experiment").status;
    expect(after?.plan?.moves).to.have.length(5);
    expect(after?.plan?.hash).to.not.equal(before?.plan?.hash);
    expect(Date.parse(after?.startBy ?? "")).to.be.below(Date.parse(before?.startBy ?? ""));
    const spec = { window: { start: world.at(300), duration: "5m" } };
    await world.client.patch(reservations, { namespace: "default", name: "experiment" }, { spec });
    await world.runUntil(4);
    const window = world.reservation("experiment").status?.window;
    expect(window).to.deep.equal({ number: 1, start: world.at(300), end: world.at(600) });
    expect(world.client.peek(vmHosts, { name: "host-a" })?.status?.holds?.[0]).to.include({ start: world.at(300) });
  });

  it("should move a VM that turns up on a held host while it vacates", async () => {
    await world.reserve("experiment", { count: 2 });
    await world.runWhile(() => world.migrations.length < 2);
    world.machine("late-a", "host-a");
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
    expect(world.places()["late-a"]).to.not.equal("host-a");
    expect(world.reservation("experiment").status?.progress?.summary).to.equal("5/5");
  });
});
