import { expect } from "chai";
import { DriverError } from "../../../../src/agent/drivers/driver.ts";
import { MovingPair } from "../../../support/agent/moving-pair.ts";
import { migrationId, orderMove, startOrder, statesAt, term, uid } from "../../../support/agent/operator.ts";
import { rejection } from "../../../support/rejection.ts";
import { until } from "../../../support/until.ts";

describe("a migration", () => {
  let pair: MovingPair;
  const order = { term, migrationId };

  beforeEach(async () => {
    pair = new MovingPair();
    await pair.start();
  });

  afterEach(async () => {
    expect(pair.cluster.violations).to.deep.equal([]);
    await pair.remove();
  });

  it("should move a guest with every byte of its memory, and leave a tombstone", async () => {
    await orderMove(pair.source.client, pair.target.client);
    const report = await pair.settled();
    expect(report).to.include({ step: "Released", role: "Source", epoch: 1 });
    expect(pair.cluster.running(uid)).to.deep.equal(["target"]);
    expect(pair.isMemoryIntact).to.equal(true);
    expect(pair.source.machine.guests.size).to.equal(0);
    expect(await pair.target.client.guest(uid)).to.include({ state: "Running", epoch: 2 });
    expect(await rejection(pair.source.client.start(startOrder))).to.include({ reason: "Tombstoned" });
  });

  it("should measure each phase, and count only the bytes that moved", async () => {
    await orderMove(pair.source.client, pair.target.client);
    const report = await pair.settled();
    expect(report.measured).to.have.all.keys(
      "suspendMilliseconds",
      "copyMilliseconds",
      "resumeMilliseconds",
      "downtimeMilliseconds",
    );
    const memoryBytes = pair.target.machine.guests.get(uid)?.memory?.length ?? 0;
    expect(report.bytesDone).to.be.within(1_000_000, memoryBytes - 1_000_000);
    expect(report.bytesTotal).to.equal(report.bytesDone);
    const arrived = await until("the target to settle", async () => {
      const at = await pair.target.client.migration(migrationId);
      return at?.settled && at;
    });
    expect(arrived).to.include({ step: "Running", bytesDone: report.bytesDone });
  });

  it("should move back, under an epoch that grows", async () => {
    await orderMove(pair.source.client, pair.target.client);
    await pair.settled();
    await orderMove(pair.target.client, pair.source.client, { id: "back", epoch: 2 });
    await until("the way back", async () => (await pair.target.client.migration("back"))?.step === "Released");
    expect(pair.cluster.running(uid)).to.deep.equal(["source"]);
    expect(await pair.source.client.guest(uid)).to.include({ epoch: 3, state: "Running" });
    expect(pair.isMemoryIntact).to.equal(true);
  });

  it("should answer repeated orders the same, and forget what has ended", async () => {
    const wish = { ...order, uid, epoch: 1 };
    const first = await pair.source.client.prepareSource(wish);
    expect(await pair.source.client.prepareSource(wish)).to.deep.equal(first);
    expect(await rejection(pair.source.client.forgetMigration(order))).to.include({ reason: "WrongState" });
    await orderMove(pair.source.client, pair.target.client);
    await pair.settled();
    expect((await pair.source.client.releaseSource(order)).step).to.equal("Released");
    expect((await pair.target.client.resumeTarget(order)).step).to.equal("Running");
    expect(await rejection(pair.source.client.abortMigration(order))).to.include({ reason: "PastPointOfNoReturn" });
    expect(await rejection(pair.target.client.surrenderTarget(order))).to.include({ reason: "WrongState" });
    expect(await rejection(pair.target.client.discardTarget(order))).to.include({ reason: "WrongState" });
    await pair.source.client.forgetMigration(order);
    expect(await pair.source.client.migrations()).to.deep.equal([]);
  });

  it("should allow one migration of a guest at a time", async () => {
    await pair.source.client.prepareSource({ ...order, uid, epoch: 1 });
    const second = pair.source.client.prepareSource({ term, migrationId: "other", uid, epoch: 1 });
    expect(await rejection(second)).to.include({ reason: "Busy" });
    expect(await rejection(pair.source.client.stop({ term, uid, graceSeconds: 0 }))).to.include({ reason: "Busy" });
    await pair.source.client.abortMigration(order);
    await pair.source.client.prepareSource({ term, migrationId: "other", uid, epoch: 1 });
  });

  for (const [step, reason] of [
    ["suspend", "SuspendFailed"],
    ["load", "LoadFailed"],
  ] as const) {
    it(`should roll back when ${step} fails`, async () => {
      const agent = step === "suspend" ? pair.source : pair.target;
      agent.driver.fail(step, new DriverError(reason, "no such luck"));
      await orderMove(pair.source.client, pair.target.client);
      expect(await pair.settled()).to.include({ step: "RolledBack", reason });
      expect(pair.cluster.running(uid)).to.deep.equal(["source"]);
      expect(pair.isMemoryIntact).to.equal(true);
      await until("the target to drop it", async () => (await pair.target.client.guests()).length === 0);
      expect(pair.target.machine.guests.size).to.equal(0);
      expect((await pair.target.client.host()).allocated.cpus).to.equal(0);
    });
  }

  it("should refuse a target that differs, with nothing left behind", async () => {
    pair.target.machine.cpuModel = "another";
    expect(await rejection(orderMove(pair.source.client, pair.target.client))).to.include({ reason: "Incompatible" });
    expect(await pair.target.client.guests()).to.deep.equal([]);
  });

  it("should leave nothing of a prepare that failed, and take the order again", async () => {
    pair.target.driver.fail("prepareIncoming", new DriverError("StateFolderFull", "1 byte is free"));
    const refused = await rejection(orderMove(pair.source.client, pair.target.client));
    expect(refused).to.include({ reason: "StateFolderFull" });
    expect(pair.target.machine.guests.size).to.equal(0);
    await orderMove(pair.source.client, pair.target.client);
    expect((await pair.settled()).step).to.equal("Released");
  });

  it("should roll back when aborted in the middle of the copy", async () => {
    const release = pair.target.driver.hold("openSink");
    await orderMove(pair.source.client, pair.target.client);
    await until("the copy", async () => (await pair.source.client.migration(migrationId))?.step === "Copying");
    expect(await pair.source.client.abortMigration(order)).to.include({ step: "RolledBack", reason: "Aborted" });
    release();
    expect(pair.cluster.running(uid)).to.deep.equal(["source"]);
    await until("the target to drop it", () => pair.target.machine.guests.size === 0);
  });

  it("should roll back when the target is aborted before its vote", async () => {
    pair.target.driver.hold("load");
    await orderMove(pair.source.client, pair.target.client);
    await until("the load", () => pair.target.driver.calls.includes("load"));
    expect(await pair.target.client.abortMigration(order)).to.include({ step: "RolledBack", settled: true });
    expect(await pair.settled()).to.include({ step: "RolledBack" });
    expect(pair.cluster.running(uid)).to.deep.equal(["source"]);
  });

  it("should not run where it came from once the target journalled that it runs (R6)", async () => {
    pair.target.driver.hold("resume");
    await orderMove(pair.source.client, pair.target.client);
    await until("the hand-over", () => pair.target.driver.calls.includes("resume"));
    expect(await statesAt(pair.source.client)).to.deep.equal({ [uid]: "HandedOver" });
    expect(await rejection(pair.source.client.abortMigration(order))).to.include({ reason: "PastPointOfNoReturn" });
    expect(await rejection(pair.source.client.start({ ...startOrder, epoch: 9 }))).to.include({ reason: "Busy" });
    await pair.target.crash();
    pair.target.machine.killAll();
    await pair.target.start();
    expect(await statesAt(pair.target.client)).to.deep.equal({ [uid]: "Crashed" });
    expect(await rejection(pair.target.client.surrenderTarget(order))).to.include({ reason: "WrongState" });
    expect(pair.cluster.running(uid)).to.deep.equal([]);
  });

  it("should load again when the loaded process died before the hand-over: it never ran (R10)", async () => {
    pair.target.driver.after("load", () => pair.target.machine.kill(uid));
    await orderMove(pair.source.client, pair.target.client);
    expect((await pair.settled()).step).to.equal("Released");
    expect(pair.target.driver.calls.filter((call) => call === "load")).to.have.length(2);
    expect(pair.isMemoryIntact).to.equal(true);
  });

  it("should take the guest back under epoch + 2 when the target surrenders (R6)", async () => {
    pair.target.driver.after("load", () => pair.target.machine.kill(uid));
    pair.target.driver.fail("load", undefined, new DriverError("LoadFailed", "the files cannot be read"));
    await orderMove(pair.source.client, pair.target.client);
    expect(await pair.settled()).to.include({ step: "HandedOver", reason: "LoadFailed" });
    expect(pair.cluster.running(uid)).to.deep.equal([]);
    const surrendered = await pair.target.client.surrenderTarget(order);
    expect(surrendered).to.include({ step: "Surrendered", settled: true });
    expect(await pair.target.client.surrenderTarget(order)).to.deep.equal(surrendered);
    expect(await rejection(pair.target.client.resumeTarget(order))).to.include({ reason: "WrongState" });
    const reclaimed = await pair.source.client.reclaimSource({ ...order, epoch: 3 });
    expect(reclaimed).to.include({ step: "RolledBack", settled: true });
    await pair.source.client.reclaimSource({ ...order, epoch: 3 });
    expect(await pair.source.client.guest(uid)).to.include({ state: "Running", epoch: 3 });
    expect(pair.isMemoryIntact).to.equal(true);
    await orderMove(pair.source.client, pair.target.client, { id: "again", epoch: 3 });
    expect((await pair.settled("again")).step).to.equal("Released");
  });

  it("should keep a guest that does not go on, and resume it on another order", async () => {
    pair.target.driver.fail("resume", ...Array.from({ length: 4 }, () => new DriverError("ResumeFailed", "disk full")));
    await orderMove(pair.source.client, pair.target.client);
    expect(await pair.settled()).to.include({ step: "HandedOver", reason: "ResumeFailed" });
    expect(await statesAt(pair.target.client)).to.deep.equal({ [uid]: "Suspended" });
    expect(await pair.target.client.resumeTarget(order)).to.include({ step: "Running", settled: true });
    expect(await statesAt(pair.target.client)).to.deep.equal({ [uid]: "Running" });
    expect((await pair.source.client.releaseSource(order)).step).to.equal("Released");
    expect(pair.isMemoryIntact).to.equal(true);
  });

  it("should keep a guest that cannot be let go on after a roll-back, and try again on another order or start", async () => {
    pair.source.driver.fail("suspend", undefined);
    pair.target.driver.fail("load", new DriverError("LoadFailed", "another CPU model"));
    const diskFull = () => Array.from({ length: 4 }, () => new DriverError("ResumeFailed", "disk full"));
    pair.source.driver.fail("unsuspend", ...diskFull(), ...diskFull());
    await orderMove(pair.source.client, pair.target.client);
    await until("four attempts", () => pair.source.driver.calls.filter((call) => call === "unsuspend").length === 4);
    expect(await rejection(pair.source.client.abortMigration(order))).to.include({ reason: "ResumeFailed" });
    expect(await pair.source.client.migration(migrationId)).to.include({ step: "RolledBack", settled: false });
    expect(await statesAt(pair.source.client)).to.deep.equal({ [uid]: "Suspended" });
    await pair.source.crash();
    await pair.source.start();
    expect(await statesAt(pair.source.client)).to.deep.equal({ [uid]: "Running" });
    expect(pair.isMemoryIntact).to.equal(true);
  });

  it("should say that a guest crashed when nothing of it is left to go on with", async () => {
    pair.source.driver.after("suspend", () => {
      const guest = pair.source.machine.guests.get(uid);
      if (guest) guest.memory = undefined;
      pair.source.machine.kill(uid);
    });
    await orderMove(pair.source.client, pair.target.client);
    expect(await pair.settled()).to.include({ step: "RolledBack", reason: "SuspendFailed" });
    expect(await statesAt(pair.source.client)).to.deep.equal({ [uid]: "Crashed" });
    await pair.source.client.start(startOrder);
    expect(pair.cluster.running(uid)).to.deep.equal(["source"]);
  });

  it("should refuse to reclaim under any epoch but epoch + 2", async () => {
    pair.target.driver.hold("resume");
    await orderMove(pair.source.client, pair.target.client);
    await until("the hand-over", async () => (await statesAt(pair.source.client))[uid] === "HandedOver");
    const refused = await rejection(pair.source.client.reclaimSource({ ...order, epoch: 2 }));
    expect(refused).to.include({ reason: "StaleEpoch" });
  });

  it("should keep a vote that the source never answered, and drop it when told (R3)", async () => {
    const pause = pair.target.driver.hold("load");
    await orderMove(pair.source.client, pair.target.client);
    await until("the load", () => pair.target.driver.calls.includes("load"));
    pair.source.faults.crashAt(1); // the source learns of the vote and can write nothing any more
    pause();
    await pair.source.faults.crashed;
    await pair.source.stop();
    await until("the vote to stand alone", async () => {
      const at = await pair.target.client.migration(migrationId);
      return at?.step === "Loaded" && at.settled;
    });
    expect(await rejection(pair.target.client.abortMigration(order))).to.include({ reason: "PastPointOfNoReturn" });
    expect(await rejection(pair.target.client.forgetMigration(order))).to.include({ reason: "WrongState" });
    await pair.source.start();
    expect(await pair.source.client.migration(migrationId)).to.include({
      step: "RolledBack",
      reason: "AgentRestarted",
    });
    await pair.target.client.discardTarget(order);
    expect(pair.target.machine.guests.size).to.equal(0);
    expect(await rejection(pair.target.client.resumeTarget(order))).to.include({ reason: "WrongState" });
  });

  it("should go forward when the source's memory went with its boot and the target, restarted too, had voted (R4, R5)", async () => {
    const pause = pair.target.driver.hold("load");
    await orderMove(pair.source.client, pair.target.client);
    await until("the load", () => pair.target.driver.calls.includes("load"));
    pair.source.faults.crashAt(1);
    pause();
    await pair.source.faults.crashed;
    await pair.source.stop();
    pair.source.machine.reboot();
    await pair.source.start();
    const lost = await pair.source.client.migration(migrationId);
    expect(lost).to.include({ step: "Copying", settled: true, reason: "StateLost" });
    expect(await statesAt(pair.source.client)).to.deep.equal({ [uid]: "Lost" });
    expect(await rejection(pair.source.client.start({ ...startOrder, epoch: 2 }))).to.include({ reason: "Busy" });
    await until("the vote", async () => (await pair.target.client.migration(migrationId))?.step === "Loaded");
    await pair.target.crash();
    pair.target.machine.killAll();
    await pair.target.start();
    expect(await pair.target.client.migration(migrationId)).to.include({ step: "Loaded", settled: true });
    expect(pair.cluster.running(uid)).to.deep.equal([]); // nobody resumes unasked
    await pair.target.client.resumeTarget(order);
    expect((await pair.source.client.releaseSource(order)).step).to.equal("Released");
    expect(pair.isMemoryIntact).to.equal(true);
  });

  it("should only surrender what voted and lost its memory with its boot", async () => {
    pair.target.driver.after("load", () => pair.source.faults.crashAt(4)); // the hand-over is written, and not said
    await orderMove(pair.source.client, pair.target.client);
    await pair.source.faults.crashed;
    await pair.source.stop();
    await pair.source.start();
    await pair.target.crash();
    pair.target.machine.reboot();
    await pair.target.start();
    const [at, to] = await Promise.all([
      pair.source.client.migration(migrationId),
      pair.target.client.migration(migrationId),
    ]);
    expect([at?.step, to?.step, to?.reason]).to.deep.equal(["HandedOver", "Loaded", "StateLost"]);
    expect(await rejection(pair.target.client.resumeTarget(order))).to.include({ reason: "StateLost" });
    await pair.target.client.surrenderTarget(order);
    await pair.source.client.reclaimSource({ ...order, epoch: 3 });
    expect(pair.isMemoryIntact).to.equal(true);
  });

  it("should not give the same room to two migrations", async () => {
    pair.target.machine.cpus = 1;
    await pair.source.client.start({ ...startOrder, uid: "vm-2", name: "two" });
    const prepare = async (id: string, guest: string) => {
      const wish = { term, migrationId: id, uid: guest, epoch: 1 };
      const { fingerprint, ...rest } = await pair.source.client.prepareSource(wish);
      await pair.target.client.prepareTarget({
        ...{ term, migrationId: id, epoch: 1, sourceFingerprint: fingerprint },
        ...rest,
      });
    };
    const outcomes = await Promise.allSettled([prepare("a", uid), prepare("b", "vm-2")]);
    const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason.reason] : []));
    expect(refused).to.deep.equal(["HostFull"]);
  });
});
