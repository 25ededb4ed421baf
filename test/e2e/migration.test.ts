import { expect } from "chai";
import { onHosts } from "../support/e2e.ts";

const twoHosts = [{ name: "host-a" }, { name: "host-b" }];

describe("a real guest", () => {
  it("should move when a person changes its home, and say what was predicted and measured", async () => {
    await onHosts(twoHosts, async (scenario) => {
      await scenario.createGuest("traveller", { home: "host-a", memory: "256Mi" });
      await scenario.runningOn("traveller", "host-a");
      const before = await scenario.witness.testimonies(["traveller"], scenario.signal);

      await scenario.setHome("traveller", "host-b");
      const vm = await scenario.runningOn("traveller", "host-b");

      const [last] = vm.status?.migrations ?? [];
      expect(last).to.include({ result: "Succeeded", from: "host-a", to: "host-b" });
      for (const phase of ["suspend", "copy", "resume", "total"] as const) {
        expect(last?.measuredMilliseconds?.[phase], `measured ${phase}`).to.be.a("number");
        expect(last?.predictedMilliseconds?.[phase], `predicted ${phase}`).to.be.a("number");
      }
      expect(last?.stateBytes)
        .to.be.greaterThan(10 * 2 ** 20)
        .and.lessThan(256 * 2 ** 20);
      await scenario.expectWhole(before);
    });
  });

  it("should go on whole through ten moves back and forth", async () => {
    await onHosts(twoHosts, async (scenario) => {
      await scenario.createGuest("commuter", { home: "host-a" });
      await scenario.runningOn("commuter", "host-a");
      const before = await scenario.witness.testimonies(["commuter"], scenario.signal);

      for (let round = 1; round <= 10; round++) {
        const target = round % 2 === 1 ? "host-b" : "host-a";
        await scenario.setHome("commuter", target);
        const vm = await scenario.runningOn("commuter", target);
        expect(vm.status?.migrations?.[0]?.result).to.equal("Succeeded");
        expect(vm.status?.grant?.epoch).to.equal(round + 1);
      }
      await scenario.expectWhole(before);
    });
  });
});
