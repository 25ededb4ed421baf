import { cp, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ensureGuestImages } from "../../hack/guest/build.ts";
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

  it("should stay where it is when the target has another CPU model", async () => {
    const hosts = [{ name: "host-a" }, { name: "host-b", cpuModel: "Nehalem" }];
    await onHosts(hosts, async (scenario) => {
      await scenario.createGuest("picky", { home: "host-a" });
      await scenario.runningOn("picky", "host-a");
      const before = await scenario.witness.testimonies(["picky"], scenario.signal);

      await scenario.setHome("picky", "host-b");
      const vm = await scenario.guestUntil(
        "picky",
        "refused",
        (each) =>
          condition(each, "Placed")?.status === "False" &&
          each.status?.migration === undefined &&
          /Nehalem/.test(condition(each, "Placed")?.message ?? ""),
      );

      expect(condition(vm, "Placed")?.message).to.include("host-b");
      expect(vm.status?.hostName).to.equal("host-a");
      await scenario.expectWhole(before);
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
        const vm = await scenario.guestUntil(
          "loyal",
          "refused",
          (each) =>
            condition(each, "Placed")?.status === "False" &&
            each.status?.migration === undefined &&
            /image/.test(condition(each, "Placed")?.message ?? ""),
        );

        expect(vm.status?.hostName).to.equal("host-a");
        await scenario.expectWhole(before);
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
