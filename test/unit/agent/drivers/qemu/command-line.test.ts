import { expect } from "chai";
import { macAddressOf, machineUuid, qemuParameters } from "../../../../../src/agent/drivers/qemu/command-line.ts";
import { checkRunDirectory, guestFiles } from "../../../../../src/agent/drivers/qemu/guest-files.ts";
import type { GuestConfiguration } from "../../../../../src/agent/protocol/types.ts";

const uid = "5e0a7b7c-6f4e-4b0f-9a54-0f4b1f6a2c11";
const folders = { dataDirectory: "/data", stateDirectory: "/state", runDirectory: "/run/v" };
const image = { name: "i", disk: "/images/i,j/disk.raw", diskFormat: "raw" as const, kernelParameters: "quiet" };
const configuration: GuestConfiguration = {
  uid,
  namespace: "n",
  name: "guest",
  cpus: 2,
  memoryBytes: 268435456,
  image: "i",
  imageSha256: "0",
  driver: "QEMU",
  accelerator: "tcg",
  machineType: "pc-q35-7.2",
  cpuModel: "qemu64",
  devices: [],
  macAddress: "02:00:00:00:00:01",
};

function parameters(
  changes: { incoming?: boolean; kernel?: string; initrd?: string; network?: "user" } = {},
): string[] {
  const { incoming = false, network = "isolated", ...boot } = changes;
  const files = guestFiles(folders, uid);
  return qemuParameters({ configuration, files, image: { ...image, ...boot }, network, incoming });
}

describe("QEMU command line", () => {
  it("should pin everything that a state depends on", () => {
    const line = parameters().join(" ");
    expect(line).to.contain("-machine pc-q35-7.2,memory-backend=memory -m 268435456B");
    expect(line)
      .to.contain("-cpu qemu64 -smp 2")
      .and.contain(`-uuid ${uid}`)
      .and.contain("mac=02:00:00:00:00:01,romfile=");
    expect(line).to.contain(`mem-path=/state/${uid}/memory,share=on`);
  });

  it("should name the base image itself, read-only, with commas doubled", () => {
    const line = parameters().join(" ");
    expect(line).to.contain("read-only=on,filename=/images/i,,j/disk.raw").and.contain("backing=base");
  });

  it("should boot from a kernel where there is one, and wait for a state when told", () => {
    expect(parameters()).to.not.include("-kernel");
    expect(parameters()).to.not.include("-incoming");
    const line = parameters({ incoming: true, kernel: "/k", initrd: "/i" }).join(" ");
    expect(line)
      .to.contain("-kernel /k -initrd /i -append quiet")
      .and.match(/-incoming defer -S$/);
  });

  it("should shut the guest off from the host's network unless told otherwise", () => {
    expect(parameters().join(" ")).to.contain("restrict=on");
    expect(parameters({ network: "user" }).join(" ")).to.contain("restrict=off");
  });

  it("should derive locally administered addresses and valid UUIDs, each its own", () => {
    expect(macAddressOf(uid)).to.match(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    expect(macAddressOf(uid))
      .to.equal(macAddressOf(uid))
      .and.not.equal(macAddressOf(`${uid}1`));
    expect(machineUuid(uid)).to.equal(uid);
    expect(machineUuid("other")).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

describe("guest files", () => {
  it("should refuse a run folder whose sockets would have too long a name, with the numbers", () => {
    checkRunDirectory(`/${"r".repeat(58)}`);
    expect(() => checkRunDirectory(`/${"r".repeat(60)}`)).to.throw(/has 61 bytes.*60 at most/);
    const deepest = guestFiles({ ...folders, runDirectory: `/${"r".repeat(59)}` }, uid).monitors[1];
    expect(Buffer.byteLength(deepest)).to.be.at.most(107);
  });

  it("should refuse a uid that leads elsewhere", () => {
    for (const bad of ["", "../x", "a/b", "-x", "x".repeat(37), "a b"]) {
      expect(() => guestFiles(folders, bad), bad).to.throw(/uid/);
    }
  });
});
