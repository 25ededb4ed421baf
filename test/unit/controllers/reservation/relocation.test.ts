import { expect } from "chai";
import { World } from "./world.ts";

/** The displaced VM fits only on host-b, whose resident has to make room first by going to host-c. */
function crowded(): World {
  const world = new World();
  world.host("host-a", { memory: "4Gi", labels: { asked: "", rack: "b" } });
  world.host("host-b", { memory: "4Gi", labels: { rack: "b" } });
  world.host("host-c", { memory: "2Gi" });
  world.machine("displaced", "host-a", { memory: "4Gi", placement: { hostSelector: { matchLabels: { rack: "b" } } } });
  world.machine("resident", "host-b", { memory: "2Gi" });
  return world;
}

const asked = { hosts: { count: 1, selector: { matchLabels: { asked: "" } } } };

describe("a reservation for which others have to make room", () => {
  let world: World;

  beforeEach(async () => {
    world = crowded();
    await world.reserve("experiment", asked);
  });

  afterEach(() => {
    expect(world.violations).to.deep.equal([]);
  });

  it("should move the resident first, then the displaced one, and bring both back", async () => {
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
    expect(world.migrations).to.deep.equal(["resident host-b→host-c", "displaced host-a→host-b"]);
    expect(Date.parse(world.time())).to.be.below(Date.parse(world.at(120)));
    expect(world.reservation("experiment").status?.progress?.summary).to.equal("2/2");
    await world.runWhile(() => world.condition("experiment", "Completed") !== "True Returned");
    expect(world.places()).to.deep.equal({ displaced: "host-a", resident: "host-b" });
  });

  it("should do the same when the operator is killed at every step", async () => {
    while (world.condition("experiment", "Vacated") !== "True HostsFree") {
      world.restart();
      await world.step();
      expect(Date.parse(world.time())).to.be.below(Date.parse(world.at(120)));
    }
    expect(world.migrations).to.deep.equal(["resident host-b→host-c", "displaced host-a→host-b"]);
  });

  it("should try again when the one in the way could not be moved", async () => {
    world.failing.add("resident host-c");
    await world.runWhile(() => world.migrations.length < 1);
    await world.runUntil(110);
    expect(world.places()).to.deep.equal({ displaced: "host-a", resident: "host-b" });
    world.failing.clear();
    await world.runWhile(() => world.condition("experiment", "Vacated") !== "True HostsFree");
    expect(world.migrations.at(-1)).to.equal("displaced host-a→host-b");
  });
});
