import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { DriverError } from "../../../../../src/agent/drivers/driver.ts";
import { QemuDriver } from "../../../../../src/agent/drivers/qemu/qemu-driver.ts";
import { rejection } from "../../../../support/rejection.ts";

const signal = new AbortController().signal;

describe("QEMU driver without a guest", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "vacate-qemu-"));
  });

  afterEach(async () => rm(folder, { recursive: true, force: true }));

  function open(host: string, shared: { state?: string; run?: string } = {}): QemuDriver {
    return new QemuDriver({
      dataDirectory: join(folder, host),
      stateDirectory: shared.state ?? join(folder, host, "state"),
      runDirectory: shared.run ?? join(folder, host, "run"),
      imagesDirectory: join(folder, "images"),
    });
  }

  it("should keep its folders to itself", async () => {
    expect(await open("a").recover(["some-guest"], signal)).to.deep.equal(new Map([["some-guest", "Absent"]]));
    for (const name of ["a/guests", "a/state", "a/run"]) {
      expect((await stat(join(folder, name))).mode & 0o777, name).to.equal(0o700);
    }
  });

  it("should refuse folders that another agent uses, and take its own again", async () => {
    await open("a").recover([], signal);
    await open("a").recover([], signal);
    const sameState = await rejection(open("b", { state: join(folder, "a/state") }).recover([], signal));
    expect(sameState.message).to.contain(join(folder, "a/state")).and.contain(join(folder, "a"));
    const sameRun = await rejection(open("b", { run: join(folder, "a/run") }).recover([], signal));
    expect(sameRun.message).to.contain(join(folder, "a/run"));
  });

  it("should know nothing of guests that are not there", async () => {
    const driver = open("a");
    expect(await driver.processState("nobody")).to.equal("Absent");
    expect(await driver.console("nobody", 100)).to.equal("");
    expect(await driver.estimateStateBytes("nobody", signal)).to.equal(0);
    await driver.powerOff("nobody", 1, signal);
    await driver.discard("nobody", signal);
    expect(((await rejection(driver.suspend("nobody", signal))) as DriverError).reason).to.equal("WrongState");
    expect(((await rejection(driver.load("nobody", signal))) as DriverError).reason).to.equal("LoadFailed");
    expect(((await rejection(driver.resume("nobody", signal))) as DriverError).reason).to.equal("GuestCrashed");
    expect(((await rejection(driver.console("../etc", 1))) as DriverError).reason).to.equal("InvalidRequest");
  });
});
