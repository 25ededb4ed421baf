import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { DriverError } from "../../../../../src/agent/drivers/driver.ts";
import { Images } from "../../../../../src/agent/drivers/qemu/images.ts";
import { rejection } from "../../../../support/rejection.ts";

const signal = new AbortController().signal;

describe("images", () => {
  let folder: string;
  let images: Images;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "vacate-images-"));
    for (const name of ["with-kernel", "disk-only", "empty"])
      await mkdir(join(folder, "images", name), { recursive: true });
    await writeFile(join(folder, "images/with-kernel/disk.raw"), "disk");
    await writeFile(join(folder, "images/with-kernel/vmlinuz"), "kernel");
    await writeFile(join(folder, "images/with-kernel/cmdline"), "quiet\n");
    await writeFile(join(folder, "images/disk-only/disk.qcow2"), "disk");
    images = new Images(join(folder, "images"), join(folder, "checksums.json"));
  });

  afterEach(async () => rm(folder, { recursive: true, force: true }));

  it("should find images and what they boot from", async () => {
    expect((await images.list(signal)).map(({ name }) => name)).to.deep.equal(["disk-only", "with-kernel"]);
    expect(await images.find("with-kernel")).to.deep.include({ diskFormat: "raw", kernelParameters: "quiet" });
    const diskOnly = await images.find("disk-only");
    expect(diskOnly.diskFormat).to.equal("qcow2");
    expect(diskOnly.kernel).to.equal(undefined);
    expect(await images.anyKernel()).to.equal(join(folder, "images/with-kernel/vmlinuz"));
    for (const name of ["empty", "absent", "../images/disk-only", ""]) {
      expect(((await rejection(images.find(name))) as DriverError).reason, name).to.equal("ImageMissing");
    }
  });

  it("should make the checksum that a person can make", async () => {
    const inFolder = { cwd: join(folder, "images/with-kernel"), encoding: "utf8" } as const;
    const expected = execFileSync("sh", ["-c", "sha256sum disk.raw vmlinuz cmdline | sha256sum"], inFolder);
    expect(await images.checksum("with-kernel", signal)).to.equal(expected.split(" ")[0]);
  });

  it("should read a file again only when it has changed", async () => {
    const before = await images.checksum("disk-only", signal);
    const cachePath = join(folder, "checksums.json");
    const forged = (await readFile(cachePath, "utf8")).replace(/"[0-9a-f]{64}"/g, `"${"1".repeat(64)}"`);
    await writeFile(cachePath, forged);
    const fromCache = await new Images(join(folder, "images"), cachePath).checksum("disk-only", signal);
    expect(fromCache).to.not.equal(before);
    await utimes(join(folder, "images/disk-only/disk.qcow2"), 1, 1);
    expect(await new Images(join(folder, "images"), cachePath).checksum("disk-only", signal)).to.equal(before);
  });
});
