import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { ensureGuestImages } from "../../hack/guest/build.ts";
import { type GuestConsole, readGuestConsole } from "../../hack/guest/console.ts";
import type { DriverError, StatePart } from "../../src/agent/drivers/driver.ts";
import { bootSectorSeconds, kernelBoots } from "../../src/agent/drivers/qemu/accelerator-proof.ts";
import { findProcesses, isAlive, killProcess } from "../../src/agent/drivers/qemu/process-identity.ts";
import { QemuDriver } from "../../src/agent/drivers/qemu/qemu-driver.ts";
import { systemClock } from "../../src/api/clock.ts";
import { type DriverHarness, driverConformance } from "../support/driver-conformance.ts";
import { rejection } from "../support/rejection.ts";

const run = promisify(execFile);
const memoryBytes = 128 * 1024 ** 2;
const consoleTimeoutMilliseconds = 60_000;
const signal = new AbortController().signal;

/** @param stateRoot where memory lies: a tmpfs for state that lands in RAM */
async function createHarness(stateRoot: string): Promise<DriverHarness> {
  const folder = await mkdtemp(join(tmpdir(), "vacate-qemu-"));
  const stateFolder = await mkdtemp(join(stateRoot, "vacate-qemu-"));
  const imagesDirectory = await ensureGuestImages();
  const drivers: QemuDriver[] = [];
  const uids: string[] = [];
  const mounts: string[] = [];
  const pidFile = (host: string, uid: string) => join(folder, host, "data/guests", uid, "pid");

  async function open(host: string, stateDirectory = join(stateFolder, host)): Promise<QemuDriver> {
    const dataDirectory = join(folder, host, "data");
    const runDirectory = join(folder, host, "run");
    const driver = new QemuDriver({ dataDirectory, runDirectory, stateDirectory, imagesDirectory, accelerator: "tcg" });
    drivers.push(driver);
    return driver;
  }

  return {
    open,
    async openFull() {
      const mountPoint = join(folder, "tiny");
      await mkdir(mountPoint);
      await run("mount", ["-t", "tmpfs", "-o", "size=64M", "vacate-test", mountPoint]);
      mounts.push(mountPoint);
      return open("full", mountPoint);
    },
    guest(name) {
      const uid = randomUUID();
      uids.push(uid);
      return { uid, namespace: "test", name, cpus: 1, memoryBytes, image: "counter" };
    },
    async killProcess(host, uid) {
      const identity = (await findProcesses([pidFile(host, uid)])).get(pidFile(host, uid));
      if (!identity) throw new Error(`host ${host} has no process of ${uid}`);
      await killProcess(identity);
      await waitUntil(
        async () => !(await isAlive(identity)),
        () => `the end of process ${identity.pid}`,
      );
    },
    async waitForConsole(driver, uid, wanted) {
      let text = "";
      let seen: GuestConsole | undefined;
      await waitUntil(
        async () => {
          text = await driver.console(uid, 1_000_000);
          seen = readGuestConsole(text);
          return wanted(seen);
        },
        () => `the console to be as wanted; it is:\n${text.slice(-2000)}`,
      );
      return seen as GuestConsole;
    },
    async cleanUp() {
      for (const driver of drivers) await driver.close();
      const pidFiles = ["a", "b", "full"].flatMap((host) => uids.map((uid) => pidFile(host, uid)));
      for (const identity of (await findProcesses(pidFiles)).values()) await killProcess(identity);
      for (const mountPoint of mounts) await run("umount", [mountPoint]);
      await rm(folder, { recursive: true, force: true });
      await rm(stateFolder, { recursive: true, force: true });
    },
  };
}

async function waitUntil(isSo: () => Promise<boolean>, what: () => string): Promise<void> {
  const end = performance.now() + consoleTimeoutMilliseconds;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what()}`);
    await systemClock.sleep(50);
  }
}

describe("QEMU driver", function () {
  this.timeout(120_000);

  describe("with state in RAM", () => driverConformance(() => createHarness("/dev/shm")));

  describe("with state on disk", () =>
    driverConformance(() => createHarness(tmpdir()), { only: /move|killed before/ }));

  it("should say in QEMU's words why it could not load a state", async () => {
    const harness = await createHarness("/dev/shm");
    try {
      const [a, b] = [await harness.open("a"), await harness.open("b")];
      const configuration = await a.configure(harness.guest("truncated"), signal);
      const { uid } = configuration;
      await a.boot(configuration, signal);
      await a.suspend(uid, signal);
      await b.prepareIncoming(configuration, 0, signal);
      const parts = await a.stateParts(uid, signal);
      const device = parts.at(-1) as StatePart;
      const half = Buffer.alloc(device.sizeBytes >> 1);
      await device.read(0, half, signal);
      for (const part of parts) await part.close();
      const sink = await b.openSink(uid, { name: "device", sizeBytes: half.length }, signal);
      await sink.write(0, half, signal);
      await sink.finish(signal);
      await sink.close();
      const error = (await rejection(b.load(uid, signal))) as DriverError;
      expect(error.reason).to.equal("LoadFailed");
      expect(error.message).to.contain("load of migration failed");
      expect(await b.processState(uid)).to.equal("Absent");
    } finally {
      await harness.cleanUp();
    }
  });

  it("should tell an accelerator that runs guests from one that does not", async () => {
    const kernel = join(await ensureGuestImages(), "counter/vmlinuz");
    expect(await bootSectorSeconds("qemu-system-x86_64", "tcg", signal)).to.be.below(15);
    expect(await kernelBoots("qemu-system-x86_64", "tcg", kernel, signal)).to.equal(true);
    // Ends at once, as a QEMU does that cannot open /dev/kvm.
    expect(await bootSectorSeconds("false", "tcg", signal)).to.equal(Number.POSITIVE_INFINITY);
    expect(await kernelBoots("false", "tcg", kernel, signal)).to.equal(false);
    // Runs, and shows no guest.
    expect(await kernelBoots("echo", "tcg", kernel, signal)).to.equal(false);
  });
});
