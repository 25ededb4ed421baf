import { expect } from "chai";
import { type GuestConsole, readGuestConsole } from "../../hack/guest/console.ts";
import type { Driver, DriverError } from "../../src/agent/drivers/driver.ts";
import type { GuestConfiguration } from "../../src/agent/protocol/types.ts";
import { copyState } from "./copy-state.ts";
import { rejection } from "./rejection.ts";

/** How the suite gets at a driver. Hosts share the base images and nothing else. */
export interface DriverHarness {
  /** A driver over the host's folders, as after a restart of its agent; an earlier one of the host was closed. */
  open(host: "a" | "b"): Promise<Driver>;
  /** One more, on a host that has not the room for the guest's state. */
  openFull(): Promise<Driver>;
  guest(name: string): Pick<GuestConfiguration, "uid" | "namespace" | "name" | "cpus" | "memoryBytes" | "image">;
  /** Ends the guest's process as `kill -9` does; resolves when it is gone. */
  killProcess(host: "a" | "b", uid: string): Promise<void>;
  /** Lets time pass until the console is as wanted. */
  waitForConsole(driver: Driver, uid: string, wanted: (console: GuestConsole) => boolean): Promise<GuestConsole>;
  cleanUp(): Promise<void>;
}

const signal = new AbortController().signal;

/**
 * What every driver has to do, however it does it.
 * @param only left out, everything; otherwise the tests whose title matches
 */
export function driverConformance(createHarness: () => Promise<DriverHarness>, { only }: { only?: RegExp } = {}): void {
  let harness: DriverHarness;
  let a: Driver;
  let b: Driver;

  beforeEach(async () => {
    harness = await createHarness();
    a = await harness.open("a");
    b = await harness.open("b");
  });

  afterEach(async () => harness.cleanUp());

  function check(title: string, test: () => Promise<void>): void {
    if (!only || only.test(title)) it(title, test);
  }

  async function booted(name: string): Promise<GuestConfiguration> {
    const configuration = await a.configure(harness.guest(name), signal);
    await a.boot(configuration, signal);
    await counted(a, configuration.uid, 2);
    return configuration;
  }

  function counted(driver: Driver, uid: string, more: number, than = 0): Promise<GuestConsole> {
    return harness.waitForConsole(driver, uid, ({ lastCounter }) => lastCounter >= than + more);
  }

  async function reasonOf(promise: Promise<unknown>): Promise<string> {
    return ((await rejection(promise)) as DriverError).reason;
  }

  check("should move a running guest without losing a bit", async () => {
    const configuration = await booted("moved");
    const { uid } = configuration;
    const estimate = await a.estimateStateBytes(uid, signal);
    await a.suspend(uid, signal);
    await a.suspend(uid, signal);
    expect(await a.processState(uid)).to.equal("Paused");
    const before = readGuestConsole(await a.console(uid, 1_000_000));
    await b.checkCompatible(configuration, signal);
    await b.prepareIncoming(configuration, estimate, signal);
    await b.prepareIncoming(configuration, estimate, signal);
    expect(await b.processState(uid)).to.equal("Waiting");

    const copiedBytes = await copyState(a, b, uid, signal);
    expect(estimate).to.be.within(copiedBytes * 0.5, copiedBytes * 2);
    await b.load(uid, signal);
    await b.load(uid, signal);
    expect(await b.processState(uid)).to.equal("Paused");
    await b.resume(uid, signal);
    await b.resume(uid, signal);
    expect(await b.processState(uid)).to.equal("Running");
    const firstConsole = await a.console(uid, 1_000_000);
    await a.discard(uid, signal);
    expect(await a.processState(uid)).to.equal("Absent");
    expect(await a.console(uid, 1000)).to.equal("");

    const passes = before.memory.passes + 2;
    await harness.waitForConsole(b, uid, (console) => console.lastCounter > 0 && console.memory.passes >= passes);
    const whole = readGuestConsole(firstConsole + (await b.console(uid, 1_000_000)));
    expect(whole.boots).to.have.lengthOf(1);
    expect(whole.wentBackwards).to.equal(false);
    expect(whole.complaints).to.deep.equal([]);
    expect(whole.lastCounter).to.be.above(before.lastCounter);
    expect(whole.diskRecord).to.be.above(before.diskRecord);
  });

  check("should move a guest that was adopted under another uid since it was started", async () => {
    const configuration = await booted("adopted");
    const { uid } = configuration;
    const newUid = harness.guest("renamed").uid;
    await a.suspend(uid, signal);
    await b.checkCompatible({ ...configuration, uid: newUid }, signal);
    await b.prepareIncoming({ ...configuration, uid: newUid }, configuration.memoryBytes, signal);
    await copyState(a, b, uid, signal, newUid);
    await b.load(newUid, signal);
    await b.resume(newUid, signal);
    const before = readGuestConsole(await a.console(uid, 1_000_000));
    await a.discard(uid, signal);
    await harness.waitForConsole(b, newUid, (console) => console.lastCounter > before.lastCounter);
    await b.discard(newUid, signal);
  });

  check("should let a suspended guest run on where it is, and suspend it again", async () => {
    const { uid } = await booted("unsuspended");
    for (let round = 0; round < 2; round++) {
      await a.suspend(uid, signal);
      const { lastCounter } = readGuestConsole(await a.console(uid, 1_000_000));
      await a.unsuspend(uid, signal);
      await a.unsuspend(uid, signal);
      const later = await counted(a, uid, 2, lastCounter);
      expect(later).to.deep.include({ wentBackwards: false, complaints: [] });
    }
  });

  check("should notice a killed process, and boot the guest again from its disk", async () => {
    const configuration = await booted("killed");
    const { uid } = configuration;
    const exits: string[] = [];
    const exited = new Promise<void>((resolve) => {
      a.onExit((whose, cause) => {
        exits.push(`${whose} ${cause}`);
        resolve();
      });
    });
    const { diskRecord } = readGuestConsole(await a.console(uid, 1_000_000));
    await harness.killProcess("a", uid);
    await exited;
    expect(exits).to.deep.equal([`${uid} Died`]);
    expect(await a.processState(uid)).to.equal("Absent");
    expect(await reasonOf(a.unsuspend(uid, signal))).to.equal("GuestCrashed");

    await a.boot(configuration, signal);
    const console = await harness.waitForConsole(
      a,
      uid,
      (now) => now.boots.length === 2 && now.diskRecord > diskRecord,
    );
    expect(console.complaints).to.deep.equal([]);
  });

  check("should find its guests again after a restart", async () => {
    const { uid } = await booted("found");
    await a.close();
    a = await harness.open("a");
    expect([...(await a.recover([uid, harness.guest("unknown").uid], signal)).values()]).to.deep.equal([
      "Running",
      "Absent",
    ]);
    const { lastCounter } = await counted(a, uid, 1);
    await counted(a, uid, 2, lastCounter);

    await a.suspend(uid, signal);
    await a.close();
    a = await harness.open("a");
    expect((await a.recover([uid], signal)).get(uid)).to.equal("Paused");
    await a.unsuspend(uid, signal);
    const exited = new Promise<string>((resolve) => a.onExit((_, cause) => resolve(cause)));
    await harness.killProcess("a", uid);
    expect(await exited).to.equal("Died");
  });

  check("should find an arriving guest again after a restart, waiting and loaded", async () => {
    const configuration = await booted("arriving");
    const { uid } = configuration;
    const restarted = async () => {
      await b.close();
      b = await harness.open("b");
      return (await b.recover([uid], signal)).get(uid);
    };
    await b.prepareIncoming(configuration, 0, signal);
    expect(await restarted()).to.equal("Waiting");
    await a.suspend(uid, signal);
    await copyState(a, b, uid, signal);
    await b.load(uid, signal);
    expect(await restarted()).to.equal("Paused");
    await b.resume(uid, signal);
    expect(await restarted()).to.equal("Running");
    const { boots, complaints } = await counted(b, uid, 1);
    expect({ boots: boots.length, complaints }).to.deep.equal({ boots: 1, complaints: [] });
  });

  check("should run a guest on whose process was killed while it was paused", async () => {
    const { uid } = await booted("killed-paused");
    await a.suspend(uid, signal);
    const { lastCounter } = readGuestConsole(await a.console(uid, 1_000_000));
    await harness.killProcess("a", uid);
    await a.unsuspend(uid, signal);
    const later = await counted(a, uid, 3, lastCounter);
    expect(later.boots).to.have.lengthOf(1);
    expect(later).to.deep.include({ wentBackwards: false, complaints: [] });
  });

  check("should load a state again whose process was killed before it ran, and never after", async () => {
    const configuration = await booted("pair");
    const { uid } = configuration;
    await a.suspend(uid, signal);
    await b.prepareIncoming(configuration, configuration.memoryBytes, signal);
    await copyState(a, b, uid, signal);
    await b.load(uid, signal);
    await harness.killProcess("b", uid);
    await b.load(uid, signal);
    await b.resume(uid, signal);
    await counted(b, uid, 1);

    await harness.killProcess("b", uid);
    expect(await reasonOf(b.load(uid, signal))).to.equal("LoadFailed");
    expect(await reasonOf(b.resume(uid, signal))).to.equal("GuestCrashed");
    expect(await b.processState(uid)).to.equal("Absent");
  });

  check("should refuse a state that was made with another CPU model, and leave the source able to run on", async () => {
    const configuration = await booted("other-cpu");
    const { uid } = configuration;
    await a.suspend(uid, signal);
    const { lastCounter } = readGuestConsole(await a.console(uid, 1_000_000));
    await b.prepareIncoming({ ...configuration, cpuModel: "Nehalem-v1" }, configuration.memoryBytes, signal);
    await copyState(a, b, uid, signal);
    const error = (await rejection(b.load(uid, signal))) as DriverError;
    expect(error.reason).to.equal("LoadFailed");
    expect(error.message).to.contain("cpuModel").and.contain(configuration.cpuModel).and.contain("Nehalem-v1");
    await b.discard(uid, signal);
    await a.unsuspend(uid, signal);
    await counted(a, uid, 1, lastCounter);
  });

  check("should power a guest down and keep its disk", async () => {
    const configuration = await booted("powered-off");
    const { uid } = configuration;
    const exits: string[] = [];
    a.onExit((whose) => exits.push(whose));
    const { diskRecord } = readGuestConsole(await a.console(uid, 1_000_000));
    await a.powerOff(uid, 30, signal);
    await a.powerOff(uid, 30, signal);
    expect(await a.processState(uid)).to.equal("Absent");
    expect(await a.console(uid, 1_000_000)).to.contain("guest powers down");
    await a.boot(configuration, signal);
    const again = await harness.waitForConsole(a, uid, (now) => now.boots.length === 2 && now.diskRecord > diskRecord);
    expect(again.complaints).to.deep.equal([]);
    expect(exits).to.deep.equal([]);
  });

  check("should refuse what the host has not", async () => {
    const wanted = harness.guest("refused");
    expect(await reasonOf(a.configure({ ...wanted, image: "nothing" }, signal))).to.equal("ImageMissing");
    const configuration = await a.configure(wanted, signal);
    const wrong = { ...configuration, imageSha256: "0".repeat(64) };
    expect(await reasonOf(b.checkCompatible(wrong, signal))).to.equal("Incompatible");
    expect(await reasonOf(a.suspend(wanted.uid, signal))).to.equal("WrongState");
    const full = await harness.openFull();
    const error = (await rejection(full.prepareIncoming(configuration, 1024, signal))) as DriverError;
    expect(error.reason).to.equal("StateFolderFull");
    expect(error.message).to.match(/\d+ bytes free, \d+ are needed/);
    expect(await full.processState(wanted.uid)).to.equal("Absent");
  });
}
