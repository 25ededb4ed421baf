import { expect } from "chai";
import { MovingPair } from "../../../support/agent/moving-pair.ts";
import { migrationId, orderMove, term, uid } from "../../../support/agent/operator.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { until } from "../../../support/until.ts";

describe("the times of a migration", () => {
  let clock: FakeClock;
  let pair: MovingPair;

  beforeEach(async () => {
    clock = new FakeClock();
    pair = new MovingPair({ clock, limits: { idleMilliseconds: 3_600_000 } });
    await pair.start();
  });

  afterEach(() => pair.remove());

  it("should end a suspension by itself when the lease is over (R3)", async () => {
    const goOn = pair.target.driver.hold("load");
    await orderMove(pair.source.client, pair.target.client, { leaseSeconds: 30 });
    await until("the load", () => pair.target.driver.calls.includes("load"));
    clock.jumpTo(new Date(clock.now().getTime() + 86_400_000)); // the wall clock says nothing about a lease
    await clock.advance(29_000);
    expect((await pair.source.client.migration(migrationId))?.step).to.equal("Copying");
    await clock.advance(1_000);
    const report = await pair.settled();
    expect(report).to.include({ step: "RolledBack", reason: "LeaseExpired" });
    expect(pair.cluster.running(uid)).to.deep.equal(["source"]);
    goOn();
    await until("the target to drop it", () => pair.target.machine.guests.size === 0);
  });

  it("should not end what was handed over when the lease is over (R3)", async () => {
    const goOn = pair.target.driver.hold("resume");
    await orderMove(pair.source.client, pair.target.client, { leaseSeconds: 30 });
    await until("the hand-over", () => pair.target.driver.calls.includes("resume"));
    await clock.advance(600_000);
    expect((await pair.source.client.migration(migrationId))?.step).to.equal("HandedOver");
    goOn();
    expect((await pair.settled()).step).to.equal("Released");
    expect(pair.cluster.running(uid)).to.deep.equal(["target"]);
  });

  it("should measure by the source's clock from the order to stop until the guest runs", async () => {
    const suspended = pair.source.driver.hold("suspend");
    const loaded = pair.target.driver.hold("load");
    const resumed = pair.target.driver.hold("resume");
    await orderMove(pair.source.client, pair.target.client, { leaseSeconds: 3600 });
    await until("the suspend", () => pair.source.driver.calls.includes("suspend"));
    await clock.advance(2_000);
    suspended();
    await until("the load", () => pair.target.driver.calls.includes("load"));
    await clock.advance(7_000);
    loaded();
    await until("the resume", () => pair.target.driver.calls.includes("resume"));
    await clock.advance(3_000);
    resumed();
    expect((await pair.settled()).measured).to.deep.equal({
      suspendMilliseconds: 2_000,
      copyMilliseconds: 7_000,
      resumeMilliseconds: 3_000,
      downtimeMilliseconds: 12_000,
    });
  });

  it("should drop a target to which no source connects", async () => {
    const { configuration, fingerprint, stateBytes } = await pair.source.client.prepareSource({
      ...{ term, migrationId, uid, epoch: 1 },
    });
    const order = { term, migrationId, epoch: 1, configuration, stateBytes, sourceFingerprint: fingerprint };
    await pair.target.client.prepareTarget(order);
    expect((await pair.target.client.host()).allocated.virtualMachines).to.equal(1);
    await clock.advance(600_000);
    await until("the target to drop it", async () => (await pair.target.client.migration(migrationId))?.settled);
    expect((await pair.target.client.host()).allocated.virtualMachines).to.equal(0);
    expect(pair.target.machine.guests.size).to.equal(0);
  });

  it("should tell how far the copy is", async () => {
    const goOn = pair.target.driver.hold("openSink");
    await orderMove(pair.source.client, pair.target.client, { leaseSeconds: 3600 });
    const under = await until("some bytes", async () => {
      const report = await pair.source.client.migration(migrationId);
      return report?.step === "Copying" && report.bytesDone > 0 && report;
    });
    expect(under.bytesTotal).to.be.at.least(under.bytesDone);
    goOn();
    await pair.settled();
  });
});
