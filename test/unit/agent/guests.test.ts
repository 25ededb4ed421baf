import { expect } from "chai";
import { AgentUnderTest } from "../../support/agent/agent-under-test.ts";
import { FakeCluster } from "../../support/agent/fake-machine.ts";
import { startOrder, statesAt, term, uid } from "../../support/agent/operator.ts";
import { rejection } from "../../support/rejection.ts";
import { until } from "../../support/until.ts";

describe("an agent's guests", () => {
  let agent: AgentUnderTest;

  beforeEach(async () => {
    agent = new AgentUnderTest(new FakeCluster().machine("host-a"));
    await agent.start();
  });

  afterEach(() => agent.remove());

  it("should start, list and stop a guest over the socket", async () => {
    const started = await agent.client.start(startOrder);
    expect(started).to.include({ uid, epoch: 1, state: "Running", namespace: "lab", name: "one" });
    expect(agent.machine.guests.get(uid)?.process).to.equal("Running");
    expect(await agent.client.guests()).to.have.length(1);
    const stopped = await agent.client.stop({ term, uid, graceSeconds: 5 });
    expect(stopped.state).to.equal("Stopped");
    expect(agent.machine.guests.get(uid)?.process).to.equal("Absent");
  });

  it("should boot once when a start is repeated, also at the same time", async () => {
    await Promise.all([agent.client.start(startOrder), agent.client.start(startOrder)]);
    await agent.client.start(startOrder);
    expect(agent.driver.calls.filter((call) => call === "boot")).to.have.length(1);
  });

  it("should keep disk and uid through stop and start under the same grant", async () => {
    await agent.client.start(startOrder);
    await agent.client.stop({ term, uid, graceSeconds: 0 });
    const disk = agent.machine.guests.get(uid)?.disk;
    await agent.client.start(startOrder);
    expect(agent.machine.guests.get(uid)?.disk).to.equal(disk);
  });

  it("should refuse an epoch below the known one and at or below its tombstone (R2)", async () => {
    await agent.client.start({ ...startOrder, epoch: 4 });
    expect(await rejection(agent.client.start({ ...startOrder, epoch: 3 }))).to.include({ reason: "StaleEpoch" });
    await agent.client.discard({ term, uid });
    expect(await rejection(agent.client.start({ ...startOrder, epoch: 4 }))).to.include({ reason: "Tombstoned" });
    await agent.crash();
    await agent.start();
    expect(await rejection(agent.client.start({ ...startOrder, epoch: 4 }))).to.include({ reason: "Tombstoned" });
    expect(await agent.client.start({ ...startOrder, epoch: 5 })).to.include({ state: "Running", epoch: 5 });
  });

  it("should refuse an operator term below the highest seen, also after a restart (R2)", async () => {
    await agent.client.start({ ...startOrder, term: 7 });
    expect(await rejection(agent.client.stop({ term: 6, uid, graceSeconds: 0 }))).to.include({ reason: "StaleTerm" });
    await agent.crash();
    await agent.start();
    expect(await rejection(agent.client.stop({ term: 6, uid, graceSeconds: 0 }))).to.include({ reason: "StaleTerm" });
    expect((await agent.client.host()).operatorTerm).to.equal(7);
  });

  it("should refuse the same grant with another shape", async () => {
    await agent.client.start(startOrder);
    expect(await rejection(agent.client.start({ ...startOrder, cpus: 2 }))).to.include({ reason: "Incompatible" });
  });

  it("should refuse a guest whose name is here under another uid", async () => {
    await agent.client.start(startOrder);
    const other = { ...startOrder, uid: "vm-2" };
    expect(await rejection(agent.client.start(other))).to.include({ reason: "WrongState" });
  });

  it("should never give the same room twice", async () => {
    agent.machine.cpus = 3;
    const wishes = ["a", "b", "c", "d"].map((name) => ({ ...startOrder, uid: `vm-${name}`, name, cpus: 2 }));
    const outcomes = await Promise.allSettled(wishes.map((wish) => agent.client.start(wish)));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).to.have.length(1);
    const refused = outcomes.find((outcome) => outcome.status === "rejected");
    expect(refused?.reason).to.include({ reason: "HostFull" });
    expect((await agent.client.host()).allocated).to.deep.equal({ cpus: 2, memoryBytes: 2 ** 30, virtualMachines: 1 });
  });

  it("should refuse whom a hold does not allow, also after a restart, until it ends", async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    await agent.client.setHolds({ term, holds: [{ reservationUid: "r", until, allowedUids: ["vm-2"] }] });
    await agent.crash();
    await agent.start();
    expect(await rejection(agent.client.start(startOrder))).to.include({ reason: "HostHeld" });
    await agent.client.start({ ...startOrder, uid: "vm-2" });
    const past = new Date(Date.now() - 1).toISOString();
    await agent.client.setHolds({ term, holds: [{ reservationUid: "r", until: past, allowedUids: [] }] });
    await agent.client.start({ ...startOrder, name: "another" });
    expect((await agent.client.host()).holds).to.deep.equal([]);
  });

  it("should leave nothing of a first start that failed", async () => {
    agent.driver.fail("boot", new Error("no such luck"));
    expect(await rejection(agent.client.start(startOrder))).to.include({ reason: "StartFailed" });
    expect(await agent.client.guests()).to.deep.equal([]);
    expect(agent.machine.guests.size).to.equal(0);
  });

  it("should tell a crash from a power-off", async () => {
    await agent.client.start(startOrder);
    await agent.client.start({ ...startOrder, uid: "vm-2", name: "two" });
    agent.machine.kill(uid);
    agent.machine.kill("vm-2", "PoweredOff");
    await until("both exits", async () => {
      const states = await statesAt(agent.client);
      return states[uid] === "Crashed" && states["vm-2"] === "Stopped";
    });
  });

  it("should keep guests running over its own restart, and adopt them", async () => {
    await agent.client.start(startOrder);
    const { agentUuid } = await agent.client.host();
    await agent.stop();
    expect(agent.machine.guests.get(uid)?.process).to.equal("Running");
    await agent.start();
    expect(await statesAt(agent.client)).to.deep.equal({ [uid]: "Running" });
    expect((await agent.client.host()).agentUuid).to.equal(agentUuid);
  });

  it("should start nothing by itself after a reboot (R4)", async () => {
    await agent.client.start(startOrder);
    await agent.crash();
    agent.machine.reboot();
    await agent.start();
    expect(await statesAt(agent.client)).to.deep.equal({ [uid]: "Lost" });
    expect(agent.driver.calls).to.not.include("boot");
    await agent.client.start(startOrder);
    expect(agent.machine.cluster.running(uid)).to.deep.equal(["host-a"]);
  });

  it("should give a found guest to its new uid, and bury the old one", async () => {
    await agent.client.start(startOrder);
    await agent.client.adopt({ term, uid, newUid: "vm-new" });
    await agent.client.adopt({ term, uid, newUid: "vm-new" });
    expect(await statesAt(agent.client)).to.deep.equal({ "vm-new": "Running" });
    expect(await rejection(agent.client.start(startOrder))).to.include({ reason: "Tombstoned" });
    await agent.client.discard({ term, uid: "vm-new" });
    expect(agent.machine.guests.size).to.equal(0);
  });

  it("should end a discard that a crash interrupted", async () => {
    await agent.client.start(startOrder);
    agent.faults.crashAt(2); // the tombstone is written, the files are there
    await rejection(agent.client.discard({ term, uid }));
    await agent.stop();
    await agent.start();
    expect(await agent.client.guests()).to.deep.equal([]);
    expect(agent.machine.guests.size).to.equal(0);
  });

  for (let point = 1; point <= 9; point++) {
    it(`should have at most one guest after a crash at point ${point} of its start, and start it when told again`, async () => {
      agent.faults.crashAt(point);
      await agent.client.start(startOrder).catch(() => {});
      await agent.stop();
      await agent.start();
      const [state] = Object.values(await statesAt(agent.client));
      expect(state === undefined || state === "Stopped" || state === "Running", `state ${state}`).to.equal(true);
      expect(agent.machine.cluster.running(uid).length).to.equal(state === "Running" ? 1 : 0);
      expect(await agent.client.start(startOrder)).to.include({ state: "Running" });
    });
  }
});
