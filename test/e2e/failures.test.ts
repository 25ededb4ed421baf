import { execFileSync } from "node:child_process";
import { cp, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ensureGuestImages } from "../../hack/guest/build.ts";
import type { VirtualMachine } from "../../src/api/resources.ts";
import { condition, onHosts } from "../support/e2e.ts";

const twoHosts = [{ name: "host-a" }, { name: "host-b" }];

describe("a real guest, when things go wrong", () => {
  it("should finish its move when the operator is killed in the middle and started again", async () => {
    await onHosts(twoHosts, async (scenario) => {
      await scenario.createGuest("patient", { home: "host-a", memory: "512Mi", image: "busy" });
      await scenario.runningOn("patient", "host-a");
      const before = await scenario.witness.testimonies(["patient"], scenario.signal);

      await scenario.setHome("patient", "host-b");
      await scenario.guestUntil("patient", "copying", (vm) => (vm.status?.migration?.bytesDone ?? 0) > 0);
      await scenario.testbed.controlPlane.process.kill();
      await scenario.testbed.startControlPlane(scenario.signal);

      const vm = await scenario.runningOn("patient", "host-b");
      expect(vm.status?.migrations?.[0]).to.include({ result: "Succeeded", from: "host-a", to: "host-b" });
      await scenario.expectWhole(before);
    });
  });

  it("should run on when its agent is killed, and be found again by the next one", async () => {
    await onHosts(twoHosts, async (scenario) => {
      await scenario.createGuest("survivor", { home: "host-a" });
      await scenario.runningOn("survivor", "host-a");
      const before = await scenario.witness.testimonies(["survivor"], scenario.signal);

      const host = scenario.testbed.host("host-a");
      await host.agent.kill();
      await host.startAgent(scenario.signal);
      await scenario.setHome("survivor", "host-b");

      const vm = await scenario.runningOn("survivor", "host-b");
      expect(vm.status?.grant?.epoch).to.equal(2);
      await scenario.expectWhole(before);
    });
  });

  it("should stay where it is when the target lacks its CPU model", async () => {
    // What the target's QEMU says it can do, without the model that guests have here.
    const lacking = `if [ "$1 $2" = "-cpu help" ]; then "$real" "$@" | grep -v qemu64; exit; fi`;
    await withQemuThat(lacking, async (programsFolder) => {
      await onHosts([{ name: "host-a" }, { name: "host-b", programsFolder }], async (scenario) => {
        await scenario.createGuest("picky", { home: "host-a" });
        await scenario.runningOn("picky", "host-a");
        const before = await scenario.witness.testimonies(["picky"], scenario.signal);

        await scenario.setHome("picky", "host-b");
        const vm = await scenario.guestUntil("picky", "refused", (each) => isRefused(each, /qemu64/));

        expect(condition(vm, "Placed")?.message).to.include("host-b");
        expect(vm.status?.hostName).to.equal("host-a");
        await scenario.expectWhole(before);
      });
    });
  });

  it("should run on at its source when the target cannot load its state", async () => {
    // Everything that prepare can check is right, and loading fails all the same: an older machine than the guest's.
    const older = `case " $* " in *" -incoming "*)
      for each; do shift; set -- "$@" "$(printf %s "$each" | sed 's/pc-q35-7[.]2/pc-q35-7.1/')"; done ;; esac`;
    await withQemuThat(older, async (programsFolder) => {
      await onHosts([{ name: "host-a" }, { name: "host-b", programsFolder }], async (scenario) => {
        await scenario.createGuest("returner", { home: "host-a" });
        await scenario.runningOn("returner", "host-a");
        const before = await scenario.witness.testimonies(["returner"], scenario.signal);

        await scenario.setHome("returner", "host-b");
        const failed = await scenario.guestUntil(
          "returner",
          "failed to move",
          (vm) => vm.status?.migrations?.length === 1,
        );
        expect(failed.status?.migrations?.[0], JSON.stringify(failed.status?.migrations?.[0])).to.include({
          result: "RolledBack",
          reason: "LoadFailed",
        });
        expect(failed.status?.migrations?.[0]?.message).to.include("host-b");

        await scenario.setHome("returner", "host-a");
        await scenario.runningOn("returner", "host-a");
        await scenario.expectWhole(before);
      });
    });
  });

  it("should stay where it is when the target has another base image of the same name", async () => {
    const folder = await mkdtemp(join(tmpdir(), "vacate-images-"));
    try {
      await cp(await ensureGuestImages(), folder, { recursive: true });
      await truncate(join(folder, "counter", "disk.raw"), 48 * 2 ** 20);
      const hosts = [{ name: "host-a" }, { name: "host-b", imagesFolder: folder }];
      await onHosts(hosts, async (scenario) => {
        await scenario.createGuest("loyal", { home: "host-a" });
        await scenario.runningOn("loyal", "host-a");
        const before = await scenario.witness.testimonies(["loyal"], scenario.signal);

        await scenario.setHome("loyal", "host-b");
        const vm = await scenario.guestUntil("loyal", "refused", (each) => isRefused(each, /image/));

        expect(vm.status?.hostName).to.equal("host-a");
        await scenario.expectWhole(before);
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** It is not placed for this reason, and nothing moves. */
function isRefused(vm: VirtualMachine, reason: RegExp): boolean {
  const placed = condition(vm, "Placed");
  return placed?.status === "False" && vm.status?.migration === undefined && reason.test(placed.message ?? "");
}

/** A folder with a qemu-system-x86_64 that does something first; `$real` is the real one. */
async function withQemuThat(script: string, use: (programsFolder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "vacate-programs-"));
  try {
    const name = "qemu-system-x86_64";
    const real = execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    // Until it has become QEMU, the driver sees the script's interpreter, and accepts what is called like a QEMU only.
    const shell = join(folder, "qemu-shell");
    await symlink("/bin/sh", shell);
    await writeFile(join(folder, name), `#!${shell}\nreal=${real}\n${script}\nexec "$real" "$@"\n`, { mode: 0o755 });
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
