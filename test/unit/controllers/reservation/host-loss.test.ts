import { expect } from "chai";
import { reservations, virtualMachines, vmHosts } from "../../../../src/api/resources.ts";
import { World } from "./world.ts";

describe("a held host that is lost before its window", () => {
  let world: World;
  const status = () => world.reservation("experiment").status;
  const hosts = () => status()?.hosts?.map(({ name }) => name);
  const announced = (reason: string) => world.events.recorded.filter((line) => line.split(" ")[1] === reason);

  const cordon = (name: string, unschedulable = true) =>
    world.client.patch(vmHosts, { name }, { spec: { unschedulable } });

  beforeEach(async () => {
    world = new World();
    for (const name of ["host-a", "host-b", "host-c"]) world.host(name);
    world.machine("one", "host-b");
    world.machine("two", "host-c");
    world.machine("three", "host-c");
    await world.reserve("experiment", { window: { start: world.at(300), duration: "2m" } });
    await world.runUntil(2);
    expect(hosts()).to.deep.equal(["host-a"]);
  });

  afterEach(() => {
    expect(world.violations).to.deep.equal([]);
  });

  it("should be replaced when it is dead for longer than a restart takes", async () => {
    await world.setReady("host-a", false);
    await world.runUntil(30);
    expect(hosts()).to.deep.equal(["host-a"]);
    await world.runUntil(70);
    expect(hosts()).to.deep.equal(["host-b"]);
    expect(world.holders()).to.include.deep.keys("host-a");
    expect(world.holders()["host-a"]).to.deep.equal([]);
    expect(status()?.plan?.moves?.map(({ name, to }) => `${name} ${to}`)).to.deep.equal(["one host-c"]);
    expect(announced("HostReplaced")).to.have.length(1);
    expect(announced("HostReplaced")[0]).to.match(
      /^Warning .*host-a is not ready since .* \(ConnectionLost\); holds host-b instead/,
    );
    await world.setReady("host-a", true);
    await world.runUntil(301);
    expect(hosts(), "not back and forth").to.deep.equal(["host-b"]);
    expect(world.condition("experiment", "Active")).to.equal("True WindowOpen");
  });

  it("should be kept when its agent is only restarted", async () => {
    await world.setReady("host-a", false);
    await world.runUntil(30);
    await world.setReady("host-a", true);
    await world.runUntil(120);
    expect(hosts()).to.deep.equal(["host-a"]);
    expect(announced("HostReplaced")).to.deep.equal([]);
  });

  it("should be replaced at once when there is no time left to wait", async () => {
    await world.runUntil(250);
    await world.setReady("host-a", false);
    await world.runUntil(252);
    expect(hosts()).to.deep.equal(["host-b"]);
  });

  it("should be replaced when it is cordoned, and not be chosen by the next one", async () => {
    await cordon("host-a");
    await world.runUntil(4);
    expect(hosts()).to.deep.equal(["host-b"]);
    await world.runUntil(6);
    expect(hosts()).to.deep.equal(["host-b"]);
    expect(announced("HostReplaced")[0]).to.include("host-a is unschedulable; holds host-b instead");
    await world.reserve("other", { window: { start: world.at(900), duration: "2m" } });
    await world.runUntil(8);
    expect(world.reservation("other").status?.hosts?.[0]?.name).to.not.equal("host-a");
  });

  it("should be kept, and the danger told, when nothing can take its place", async () => {
    for (const name of ["host-b", "host-c"]) {
      world.machine(`pinned-${name}`, name, { migration: { policy: "Never" } });
    }
    await world.setReady("host-a", false);
    await world.runUntil(70);
    expect(hosts()).to.deep.equal(["host-a"]);
    expect(world.condition("experiment", "AtRisk")).to.equal("True HostLost");
    expect(world.message("experiment", "AtRisk")).to.match(
      /host-a is not ready since .*; no other host can take its place/,
    );
    const key = { namespace: "default", name: "experiment" };
    await world.client.patch(reservations, key, { spec: { onTimeTarget: "95%" } });
    await world.runUntil(75);
    expect(hosts(), "also when the spec is edited").to.deep.equal(["host-a"]);
    await world.setReady("host-a", true);
    await world.runUntil(80);
    expect(world.condition("experiment", "AtRisk")).to.equal("False OnTrack");
  });

  it("should be kept although it is cordoned when there is no other", async () => {
    for (const name of ["host-b", "host-c"]) {
      world.machine(`pinned-${name}`, name, { migration: { policy: "Never" } });
    }
    await cordon("host-a");
    await world.runUntil(301);
    expect(hosts()).to.deep.equal(["host-a"]);
    expect(world.condition("experiment", "Active")).to.equal("True WindowOpen");
  });
});

describe("a host that dies while it is being vacated", () => {
  let world: World;
  const status = () => world.reservation("experiment").status;
  const hosts = () => status()?.hosts?.map(({ name }) => name);

  beforeEach(async () => {
    world = new World();
    for (const name of ["host-a", "host-b", "host-c"]) {
      world.host(name);
      // Slow, so that there is time between start-by and the window.
      await world.client.patch(vmHosts, { name }, { spec: { linkMegabitsPerSecond: 10 } });
    }
    for (const name of ["one", "two"]) world.machine(name, "host-a");
    for (const name of ["three", "four"]) world.machine(name, "host-b", { hostName: "host-b" });
    world.machine("pinned-c", "host-c", { migration: { policy: "Never" } });
    await world.reserve("experiment", { window: { start: world.at(700), duration: "2m" } });
    await world.runWhile(() => world.migrations.length === 0);
    expect(hosts()).to.deep.equal(["host-a"]);
  });

  afterEach(() => {
    expect(world.violations).to.deep.equal([]);
  });

  const passes = async (seconds: number) =>
    world.runUntil((world.clock.now().getTime() - Date.parse(world.at(0))) / 1000 + seconds);

  it("should be replaced, its VMs stay where they are, and all is given back afterwards", async () => {
    await world.setReady("host-a", false);
    await passes(30);
    expect(hosts(), "not for a moment's silence").to.deep.equal(["host-a"]);
    await passes(35);
    expect(hosts()).to.deep.equal(["host-b"]);
    expect(world.holders()).to.deep.equal({ "host-a": [], "host-b": ["experiment"], "host-c": [] });
    expect(world.events.recorded.filter((line) => line.includes("HostReplaced"))).to.have.length(1);
    await world.runWhile(() => world.condition("experiment", "Active") !== "True WindowOpen");
    expect(status()?.outcome?.result).to.equal("OnTime");
    expect(world.places()).to.include({ one: "host-a", two: "host-a", three: "host-c", four: "host-c" });
    await world.setReady("host-a", true);
    await world.runWhile(() => !world.condition("experiment", "Completed").startsWith("True"));
    expect(world.places()).to.include({ two: "host-a", three: "host-b", four: "host-b" });
    const left = world.client.peekAll(virtualMachines).filter((vm) => vm.status?.assignment?.by.kind === "Reservation");
    expect(left).to.deep.equal([]);
  });

  it("should be kept when it answers again in time", async () => {
    await world.setReady("host-a", false);
    await passes(30);
    await world.setReady("host-a", true);
    await world.runWhile(() => world.condition("experiment", "Active") !== "True WindowOpen");
    expect(hosts()).to.deep.equal(["host-a"]);
  });
});

describe("a reservation that finds no hosts", () => {
  it("should say who has them as long as they do, and get them when they are given back", async () => {
    const world = new World();
    world.host("host-a");
    await world.reserve("holder", { window: { start: world.at(100), duration: "5m" } });
    await world.runUntil(1);
    await world.reserve("waiting", { window: { start: world.at(100), duration: "5m" } });
    await world.runUntil(60);
    expect(world.condition("waiting", "Admitted")).to.equal("False Conflict");
    expect(world.message("waiting", "Admitted")).to.include("host-a is held by default/holder");
    expect(world.events.recorded.filter((line) => line.includes("Warning Conflict"))).to.have.length(1);
    await world.client.delete(reservations, { namespace: "default", name: "holder" });
    await world.runUntil(65);
    expect(world.condition("waiting", "Admitted")).to.equal("True HostsHeld");
  });
});
