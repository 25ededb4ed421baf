import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readGuestConsole } from "../../../../../hack/guest/console.ts";
import { createDriver } from "../../../../../src/agent/drivers/create-driver.ts";
import type { DriverError } from "../../../../../src/agent/drivers/driver.ts";
import { acceleratedClock } from "../../../../../src/agent/drivers/simulated/accelerated-clock.ts";
import { NoiseSource } from "../../../../../src/agent/drivers/simulated/overheads.ts";
import {
  SimulatedDriver,
  type SimulatedDriverOptions,
} from "../../../../../src/agent/drivers/simulated/simulated-driver.ts";
import type { GuestConfiguration } from "../../../../../src/agent/protocol/types.ts";
import { type Clock, systemClock } from "../../../../../src/api/clock.ts";
import { copyState } from "../../../../support/copy-state.ts";
import { type DriverHarness, driverConformance } from "../../../../support/driver-conformance.ts";
import { rejection } from "../../../../support/rejection.ts";

const signal = new AbortController().signal;
const memoryBytes = 64 * 1024 ** 2;

/** Time passes at once for whoever sleeps. */
class HastyClock implements Clock {
  #milliseconds = Date.UTC(2030, 0, 1);
  now = () => new Date(this.#milliseconds);
  monotonicMilliseconds = () => this.#milliseconds;
  async sleep(milliseconds: number, sleepSignal?: AbortSignal): Promise<void> {
    sleepSignal?.throwIfAborted();
    this.#milliseconds += milliseconds;
  }
}

function guestOf(
  uid: string,
): Pick<GuestConfiguration, "uid" | "namespace" | "name" | "cpus" | "memoryBytes" | "image"> {
  return { uid, namespace: "test", name: uid, cpus: 1, memoryBytes, image: "counter" };
}

describe("simulated driver", () => {
  let folder: string;
  let clock: HastyClock;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "vacate-simulated-"));
    clock = new HastyClock();
  });

  afterEach(async () => rm(folder, { recursive: true, force: true }));

  function open(host: string, options: Partial<SimulatedDriverOptions> = {}): SimulatedDriver {
    return new SimulatedDriver({ dataDirectory: join(folder, host), clock, ...options });
  }

  async function booted(driver: SimulatedDriver, uid: string): Promise<GuestConfiguration> {
    const configuration = await driver.configure(guestOf(uid));
    await driver.boot(configuration, signal);
    return configuration;
  }

  describe("as every driver", () => {
    driverConformance(async (): Promise<DriverHarness> => {
      const drivers = new Map<string, SimulatedDriver>();
      return {
        open: async (host) => {
          const driver = open(host);
          drivers.set(host, driver);
          return driver;
        },
        openFull: async () => open("full", { capacity: { stateBytes: memoryBytes / 2 } }),
        guest: guestOf,
        killProcess: async (host, uid) => drivers.get(host)?.killProcess(uid),
        async waitForConsole(driver, uid, wanted) {
          for (let second = 0; second < 100; second++) {
            const seen = readGuestConsole(await driver.console(uid, 1_000_000));
            if (wanted(seen)) return seen;
            await clock.sleep(1000);
          }
          throw new Error(`waited in vain; the console is:\n${await driver.console(uid, 2000)}`);
        },
        cleanUp: async () => {},
      };
    });
  });

  it("should take the time that the model says, for each phase", async () => {
    const overheads = {
      suspend: { interceptSeconds: 1, secondsPerByte: 1e-8 },
      copy: { interceptSeconds: 2, secondsPerByte: 1e-7 },
      resume: { interceptSeconds: 3, secondsPerByte: 2e-8 },
    };
    const [a, b] = [open("a", { overheads }), open("b", { overheads })];
    const configuration = await booted(a, "timed");
    const stateBytes = await a.estimateStateBytes("timed");
    const took = async (action: () => Promise<unknown>) => {
      const start = clock.monotonicMilliseconds();
      await action();
      return (clock.monotonicMilliseconds() - start) / 1000;
    };
    expect(await took(() => a.suspend("timed", signal))).to.be.closeTo(1 + 1e-8 * stateBytes, 0.01);
    await b.prepareIncoming(configuration, stateBytes, signal);
    expect(await took(() => copyState(a, b, "timed", signal))).to.be.closeTo(2 + 1e-7 * stateBytes, 0.01);
    await b.load("timed", signal);
    expect(await took(() => b.resume("timed", signal))).to.be.closeTo(3 + 2e-8 * stateBytes, 0.01);
  });

  it("should give every guest a state of its own size, the same at each suspend", async () => {
    const a = open("a");
    await booted(a, "one");
    await booted(a, "two");
    const sizes = await Promise.all(["one", "two", "one"].map((uid) => a.estimateStateBytes(uid)));
    expect(sizes[0]).to.equal(sizes[2]).and.not.equal(sizes[1]);
    for (const size of sizes) expect(size).to.be.within(memoryBytes * 0.25, memoryBytes * 0.7);
  });

  it("should scatter by the seed", () => {
    const draw = (seed: number) => {
      const source = new NoiseSource({ seed, relativeStandardDeviation: 0.1 });
      return Array.from({ length: 500 }, () => source.next());
    };
    const factors = draw(7);
    expect(factors).to.deep.equal(draw(7)).and.not.deep.equal(draw(8));
    const mean = factors.reduce((sum, each) => sum + each, 0) / factors.length;
    const variance = factors.reduce((sum, each) => sum + (each - mean) ** 2, 0) / factors.length;
    expect(mean).to.be.closeTo(1, 0.02);
    expect(Math.sqrt(variance)).to.be.closeTo(0.1, 0.02);
    expect(new NoiseSource(undefined).next()).to.equal(1);
  });

  it("should fail as told, as often as told, and go on afterwards", async () => {
    const a = open("a", { failures: [{ operation: "suspend", uid: "g", reason: "SuspendFailed", times: 2 }] });
    await booted(a, "g");
    await booted(a, "other");
    await a.suspend("other", signal);
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(((await rejection(a.suspend("g", signal))) as DriverError).reason).to.equal("SuspendFailed");
    }
    await a.suspend("g", signal);
    expect(await a.processState("g")).to.equal("Paused");
  });

  it("should notice a byte that was lost or added on the way", async () => {
    const [a, b] = [open("a"), open("b")];
    const configuration = await booted(a, "damaged");
    await a.suspend("damaged", signal);
    for (const damage of [
      { offset: 17, value: 1 },
      { offset: memoryBytes / 4, value: 1 },
    ]) {
      await b.prepareIncoming(configuration, 0, signal);
      const sink = await b.openSink("damaged", { name: "memory", sizeBytes: memoryBytes }, signal);
      const [memory] = await a.stateParts("damaged", signal);
      const whole = Buffer.alloc(memoryBytes);
      await memory?.read(0, whole, signal);
      whole.writeUInt8(whole.readUInt8(damage.offset) ^ damage.value, damage.offset);
      await sink.write(0, whole, signal);
      await sink.finish(signal);
      for (const part of (await a.stateParts("damaged", signal)).slice(1)) {
        const other = await b.openSink("damaged", part, signal);
        const content = Buffer.alloc(part.sizeBytes);
        await part.read(0, content, signal);
        await other.write(0, content, signal);
        await other.finish(signal);
      }
      const error = (await rejection(b.load("damaged", signal))) as DriverError;
      expect(error.reason).to.equal("LoadFailed");
      expect(error.message).to.contain("memory");
      await b.discard("damaged");
    }
  });

  it("should let a guest that was stopped half-way through a suspend run on", async () => {
    const a = open("a");
    await booted(a, "interrupted");
    const given = new AbortController();
    const abortingSleep = (milliseconds: number, sleepSignal?: AbortSignal) => {
      given.abort();
      return systemClock.sleep(milliseconds, sleepSignal);
    };
    const slow = open("a", { clock: { ...systemClock, now: clock.now, sleep: abortingSleep } });
    const error = await rejection(slow.suspend("interrupted", given.signal));
    expect(error.name).to.equal("AbortError");
    expect(await slow.processState("interrupted")).to.equal("Running");
  });

  it("should count on when the clock of a restarted agent is behind", async () => {
    await booted(open("a"), "behind");
    const earlier = new HastyClock();
    await earlier.sleep(-3600_000);
    const restarted = open("a", { clock: earlier });
    await restarted.recover(["behind"]);
    await earlier.sleep(5000);
    expect(readGuestConsole(await restarted.console("behind", 10_000)).lastCounter).to.equal(5);
  });

  it("should be made by name", async () => {
    expect(createDriver({ name: "Simulated", dataDirectory: folder, clock }).name).to.equal("Simulated");
    const folders = { dataDirectory: folder, stateDirectory: folder, runDirectory: "/run/v", imagesDirectory: folder };
    expect(createDriver({ name: "QEMU", ...folders }).name).to.equal("QEMU");
    expect(() => createDriver({ name: "QEMU", ...folders, cpuModel: "host" })).to.throw(/cpuModel host/);
    expect(() => createDriver({ name: "QEMU", ...folders, runDirectory: "x".repeat(99) })).to.throw(/runDirectory/);
  });
});

describe("accelerated clock", () => {
  it("should pass its time faster than the clock below it", async () => {
    const base = new HastyClock();
    const fast = acceleratedClock(base, 60);
    const start = fast.now().getTime();
    await fast.sleep(60_000);
    expect(base.monotonicMilliseconds() - Date.UTC(2030, 0, 1)).to.equal(1000);
    expect(fast.now().getTime() - start).to.equal(60_000);
    expect(() => acceleratedClock(base, 0)).to.throw(/factor 0/);
  });
});
