import { expect } from "chai";
import { overheadModels, type Reservation, reservations, vmHosts } from "../../../src/api/resources.ts";
import { findCondition, isTrue } from "../../../src/runtime/condition.ts";
import { OperatorScene } from "../../support/operator-scene.ts";
import { eventually } from "../../support/until.ts";

const phases = ["suspend", "copy", "resume", "total"] as const;

describe("the operator", function () {
  this.timeout(180_000);
  let scene: OperatorScene;

  before(async () => {
    scene = await OperatorScene.start();
    const lab = { labels: { pool: "lab" } };
    await scene.addHosts({ name: "host-a", ...lab }, { name: "host-b", ...lab }, { name: "host-c" });
    await scene.startOperator();
    for (const host of scene.hosts) await scene.hostReady(host.name, "True", "AgentAnswers");
  });

  afterEach(() => scene.clear());

  after(() => scene?.stop());

  it("should say of a host what its agent found out", async () => {
    const host = await scene.host("host-a");
    const { status } = host;
    expect(status?.agent).to.include({ driver: "Simulated", stateLanding: "RAM" });
    expect(status?.capacity).to.include({ cpus: 8, memory: "2Gi" });
    expect(status?.agent?.images?.map(({ name }) => name)).to.deep.equal(["busy", "counter"]);
    expect(await scene.eventCount(host, "AgentAnswers")).to.equal(1);
  });

  it("should choose a host for a VM without home, and run it there and only there", async () => {
    await scene.createGuest("homeless");
    const vm = await scene.runningOn("homeless", "host-a", "host-b", "host-c");
    const hostName = vm.status?.hostName;
    expect(vm.status?.assignment).to.deep.include({ hostName, by: { kind: "Scheduler" } });
    expect(vm.status?.grant).to.include({ hostName, epoch: 1 });
    expect(isTrue(vm.status?.conditions, "Placed")).to.equal(true);
    expect(await scene.inventory()).to.deep.equal([`${hostName}: ${scene.namespace}/homeless`]);
  });

  it("should spread VMs without home over the hosts", async () => {
    const names = ["one", "two", "three"];
    // Large enough that what a host may still seem to have of earlier tests matters less.
    for (const name of names) await scene.createGuest(name, { cpus: 4 });
    const places = [];
    for (const name of names) {
      const vm = await scene.runningOn(name, "host-a", "host-b", "host-c");
      places.push(vm.status?.hostName);
    }
    expect(places).to.have.members(["host-a", "host-b", "host-c"]);
  });

  it("should move a VM when its home changes, say what was predicted and measured, and learn from it", async () => {
    const before = await observationCount(scene);
    await scene.createGuest("mover", { home: "host-a" });
    await scene.runningOn("mover", "host-a");
    await scene.setHome("mover", "host-b");
    const vm = await scene.runningOn("mover", "host-b");

    const [move, ...others] = vm.status?.migrations ?? [];
    expect(others).to.deep.equal([]);
    expect(move).to.include({ result: "Succeeded", from: "host-a", to: "host-b" });
    for (const phase of phases) {
      expect(move?.measuredMilliseconds?.[phase], `measured ${phase}`).to.be.greaterThan(0);
      expect(move?.predictedMilliseconds?.[phase], `predicted ${phase}`).to.be.greaterThan(0);
    }
    expect(vm.status?.grant).to.include({ hostName: "host-b", epoch: 2 });
    expect(await scene.inventory()).to.deep.equal([`host-b: ${scene.namespace}/mover`]);

    const model = await modelWith(scene, before + 1);
    const learned = model.status?.history?.find(({ id }) => id === move?.id);
    expect(learned).to.deep.include({
      role: "Both",
      stateBytes: move?.stateBytes,
      measuredMilliseconds: move?.measuredMilliseconds,
      predictedMilliseconds: move?.predictedMilliseconds,
    });
    expect(await scene.metric('vacate_migrations_total{result="Succeeded"}')).to.be.at.least(1);
  });

  it("should power a VM off and on again where it is", async () => {
    await scene.createGuest("sleeper", { home: "host-a" });
    await scene.runningOn("sleeper", "host-a");
    await scene.setPowerState("sleeper", "Stopped");
    await scene.guestCondition("sleeper", "Running", "False", "Stopped");
    await scene.setPowerState("sleeper", "Running");
    const vm = await scene.runningOn("sleeper", "host-a");
    expect(vm.status?.grant?.epoch).to.equal(2);
  });

  it("should carry a reservation to its window, and give all back when it is deleted in the middle of it", async () => {
    const names = ["first", "second"];
    for (const name of names) await scene.createGuest(name, { home: "host-a" });
    await scene.createGuest("stranger", { home: "host-b" });
    for (const name of names) await scene.runningOn(name, "host-a");
    await scene.runningOn("stranger", "host-b");
    await scene.reserve("experiment", { pool: "lab", count: 2, in: "45s" });

    const planned = await scene.reservationUntil("experiment", "planned", (each) => has(each, "Planned"));
    expect(planned.status?.hosts?.map(({ name }) => name)).to.deep.equal(["host-a", "host-b"]);
    expect(planned.status?.plan?.moves?.map(({ name, to }) => `${name} to ${to}`)).to.have.members(
      [...names, "stranger"].map((name) => `${name} to host-c`),
    );
    const startBy = Date.parse(planned.status?.startBy ?? "");
    const windowStart = Date.parse(planned.status?.window?.start ?? "");
    expect(startBy).to.be.lessThan(windowStart);
    expect(findCondition(planned.status?.conditions, "Vacated")).to.include({ reason: "WaitingForStartBy" });

    const vacating = await scene.reservationUntil("experiment", "vacating", (each) => !!each.status?.vacatingSince);
    expect(Date.parse(vacating.status?.vacatingSince ?? "")).to.be.at.least(startBy);
    await scene.reservationUntil("experiment", "vacated", (each) => has(each, "Vacated"));
    const held = (name: string) => `host-c: ${scene.namespace}/${name}`;
    expect(await scene.inventory()).to.deep.equal([...names, "stranger"].sort().map(held));

    const active = await scene.reservationUntil("experiment", "active", (each) => has(each, "Active"));
    expect(active.status?.outcome).to.include({ result: "OnTime" });
    expect(active.status?.progress).to.include({ displaced: 3, moved: 3, failed: 0 });
    expect(active.status?.outcome?.leadMilliseconds).to.be.greaterThan(0);
    // Who asks for a reserved host meanwhile waits.
    await scene.createGuest("late", { home: "host-b" });
    expect(await scene.guestCondition("late", "Placed", "False", "HostHeld")).to.include(
      `host-b is held by reservation ${scene.namespace}/experiment until ${active.status?.window?.end}`,
    );

    await scene.delete(reservations, "experiment");
    for (const name of names) await scene.runningOn(name, "host-a");
    for (const name of ["stranger", "late"]) await scene.runningOn(name, "host-b");
    await scene.gone(reservations, "experiment");
    for (const name of ["host-a", "host-b"]) expect((await scene.host(name)).status?.holds ?? []).to.deep.equal([]);
    for (const name of [...names, "stranger"])
      expect((await scene.guest(name)).status).to.not.have.property("assignment");
  });

  it("should give a second reservation for the same time other hosts, or refuse it", async () => {
    await scene.reserve("early", { pool: "lab", count: 1, in: "1h" });
    const early = await scene.reservationUntil("early", "admitted", (each) => has(each, "Admitted"));
    await scene.reserve("beside", { pool: "lab", count: 1, in: "1h" });
    const beside = await scene.reservationUntil("beside", "admitted", (each) => has(each, "Admitted"));
    const hosts = [...(early.status?.hosts ?? []), ...(beside.status?.hosts ?? [])].map(({ name }) => name);
    expect(hosts).to.have.members(["host-a", "host-b"]);

    await scene.reserve("third", { pool: "lab", count: 1, in: "1h" });
    const refused = await scene.reservationUntil("third", "refused", (each) => admission(each)?.status === "False");
    expect(admission(refused)).to.include({ reason: "Conflict" });
    expect(admission(refused)?.message).to.match(/early|beside/);
    expect((await scene.host("host-a")).status?.holds).to.have.length(1);

    // Its time comes when another one goes.
    await scene.delete(reservations, "early");
    const third = await scene.reservationUntil("third", "admitted", (each) => has(each, "Admitted"));
    expect(third.status?.hosts).to.deep.equal(early.status?.hosts);
    const [hold] = (await scene.host(third.status?.hosts?.[0]?.name ?? "")).status?.holds ?? [];
    expect(hold?.reservation).to.include({ name: "third", uid: third.metadata.uid });
  });

  it("should finish a move that it was killed in the middle of", async () => {
    await scene.createGuest("patient", { home: "host-a", memory: "512Mi" });
    await scene.runningOn("patient", "host-a");
    await scene.setHome("patient", "host-c");
    const moving = await scene.guestUntil("patient", "copying", (vm) => vm.status?.migration?.step === "Copy");
    await scene.operator.kill();
    await scene.startOperator();
    const vm = await scene.runningOn("patient", "host-c");
    expect(vm.status?.migrations?.[0]).to.include({ id: moving.status?.migration?.id, result: "Succeeded" });
    expect(vm.status?.grant?.epoch).to.equal(2);
    expect(await scene.inventory()).to.deep.equal([`host-c: ${scene.namespace}/patient`]);
  });

  it("should do on its next start what was asked for while it was stopped", async () => {
    await scene.createGuest("asked", { home: "host-a" });
    await scene.runningOn("asked", "host-a");
    await scene.operator.stop();
    expect(await scene.operator.exited).to.equal(0);
    await scene.setHome("asked", "host-b");
    await scene.createGuest("new");
    await scene.startOperator();
    await scene.runningOn("asked", "host-b");
    await scene.runningOn("new", "host-a", "host-b", "host-c");
  });

  it("should leave hosts without any trace of what ran there", async () => {
    await scene.clear();
    expect(await scene.inventory()).to.deep.equal([]);
    const { items } = await scene.client.list(vmHosts);
    for (const { status } of items) expect(status?.holds ?? []).to.deep.equal([]);
    await scene.hostsEmpty();
  });
});

function has(reservation: Reservation, condition: string): boolean {
  return isTrue(reservation.status?.conditions, condition);
}

function admission({ status }: Reservation) {
  return findCondition(status?.conditions, "Admitted");
}

async function observationCount(scene: OperatorScene): Promise<number> {
  const { items } = await scene.client.list(overheadModels);
  return items.find(({ metadata }) => metadata.name === "default")?.status?.observationCount ?? 0;
}

function modelWith(scene: OperatorScene, observations: number) {
  return eventually(
    `${observations} observations`,
    () => scene.client.get(overheadModels, { name: "default" }),
    ({ status }) => (status?.observationCount ?? 0) >= observations,
  );
}
