import { expect } from "chai";
import { vmHosts } from "../../src/api/resources.ts";
import { condition, onHosts } from "../support/e2e.ts";

const hosts = [{ name: "host-a", labels: { pool: "lab" } }, { name: "host-b" }];

describe("a reservation over real guests", () => {
  it("should leave every guest whole and no host held when it is deleted in the middle of vacating", async () => {
    await onHosts(hosts, async (scenario) => {
      const names = ["first", "second", "third"];
      for (const name of names) await scenario.createGuest(name, { home: "host-a" });
      for (const name of names) await scenario.runningOn(name, "host-a");
      const before = await scenario.witness.testimonies(names, scenario.signal);

      // So near that vacating begins at once.
      await scenario.reserve("brief", { pool: "lab" }, 20);
      await scenario.reservationUntil("brief", "vacating", (each) => each.status?.vacatingSince !== undefined);
      await Promise.any(
        names.map((name) => scenario.guestUntil(name, "moving", (vm) => vm.status?.migration !== undefined)),
      );
      await scenario.deleteReservation("brief");

      // Their home is open again: whoever had left returns.
      for (const name of names) await scenario.runningOn(name, "host-a");
      const { items } = await scenario.testbed.client.list(vmHosts);
      expect(items.flatMap((host) => host.status?.holds ?? [])).to.deep.equal([]);
      await scenario.expectWhole(before);
    });
  });

  it("should refuse more hosts than there are, with the numbers", async () => {
    await onHosts(hosts, async (scenario) => {
      await scenario.reserve("greedy", { pool: "lab" }, 120, 3);
      const refused = await scenario.reservationUntil(
        "greedy",
        "refused",
        (each) => condition(each, "Admitted")?.status === "False",
      );
      expect(condition(refused, "Admitted")).to.include({ reason: "InsufficientHosts" });
      expect(condition(refused, "Admitted")?.message).to.match(/3/).and.to.match(/1/);
    });
  });
});
