import { expect } from "chai";
import { reservations, vmHosts } from "../../../../src/api/resources.ts";
import { World } from "./world.ts";

describe("vacating that falls behind", () => {
  let world: World;
  const status = () => world.reservation("experiment").status;
  const announced = (reason: string) => world.events.recorded.filter((line) => line.split(" ")[1] === reason);
  const probability = () => Number.parseFloat(status()?.onTimeProbability ?? "");
  const isVacated = () => world.condition("experiment", "Vacated") === "True HostsFree";

  beforeEach(() => {
    world = new World();
    for (const name of ["host-a", "host-b", "host-c"]) world.host(name);
    for (const name of ["one", "two", "three", "four"]) world.machine(name, "host-a");
    world.machine("pinned-b", "host-b", { migration: { policy: "Never" } });
    world.machine("pinned-c", "host-c", { migration: { policy: "Never" } });
  });

  afterEach(() => {
    expect(world.violations).to.deep.equal([]);
  });

  it("should move more at once, and say so in an event and in AtRisk", async () => {
    await world.reserve("experiment");
    await world.runWhile(() => status()?.vacatingSince === undefined);
    const hash = status()?.plan?.hash;
    expect(status()?.plan?.parallelMigrations).to.equal(1);
    world.migrationSeconds = 12;
    await world.runWhile(() => announced("PlanAdjusted").length === 0);
    expect(announced("PlanAdjusted")[0]).to.match(/^Normal .*\d migrations at once instead of 1, since 2030/);
    expect(status()?.plan?.parallelMigrations).to.be.above(1);
    expect(status()?.plan?.hash).to.not.equal(hash);
    expect(world.message("experiment", "AtRisk")).to.match(/^on time with .*\d migrations at once instead of 1/);
    await world.runWhile(() => !isVacated());
    expect(world.mostAtOnce).to.be.above(1);
    expect(status()?.outcome?.measuredMilliseconds).to.be.below(4 * 12_000);
    expect(announced("PlanAdjusted").length).to.be.below(4);
  });

  it("should keep to one at a time when people said so, and tell the danger", async () => {
    await world.reserve("experiment", { parallelMigrations: 1 });
    world.migrationSeconds = 12;
    await world.runWhile(() => world.condition("experiment", "AtRisk") !== "True BehindPlan");
    await world.runWhile(() => !isVacated());
    expect(world.mostAtOnce).to.equal(1);
    expect(announced("PlanAdjusted")).to.deep.equal([]);
  });

  it("should carry out a plan that was approved by hand as it is", async () => {
    const key = { namespace: "default", name: "experiment" };
    await world.reserve("experiment", { approval: { mode: "Manual" } });
    await world.runUntil(2);
    const planHash = status()?.plan?.hash ?? "";
    await world.client.patch(reservations, key, { spec: { approval: { mode: "Manual", planHash } } });
    world.migrationSeconds = 12;
    await world.runWhile(() => world.condition("experiment", "AtRisk") !== "True BehindPlan");
    await world.runWhile(() => !isVacated());
    expect(world.mostAtOnce).to.equal(1);
    expect(status()?.plan?.hash).to.equal(planHash);
  });

  it("should send the VMs that wait yet to a target that has become faster", async () => {
    world.host("host-d");
    world.machine("pinned-d", "host-d", { migration: { policy: "Never" } });
    await world.reserve("experiment", { parallelMigrations: 1 });
    await world.runWhile(() => status()?.vacatingSince === undefined);
    const moves = status()?.plan?.moves ?? [];
    const slow = moves[3]?.to ?? "";
    const atSlow = moves.slice(1).filter(({ to }) => to === slow);
    // Its link is known to be slow now.
    await world.client.patch(vmHosts, { name: slow }, { spec: { linkMegabitsPerSecond: 20 } });
    await world.runWhile(() => announced("PlanAdjusted").length === 0);
    expect(announced("PlanAdjusted")[0]).to.include(`instead of ${slow}`);
    await world.runWhile(() => !isVacated());
    for (const { name } of atSlow) expect(world.places()[name]).to.not.equal(slow);
  });

  it("should predict the rest again while it goes", async () => {
    await world.reserve("experiment", { parallelMigrations: 1 });
    await world.runWhile(() => world.migrations.length < 1);
    world.migrationSeconds = 10;
    const seen: number[] = [];
    await world.runWhile(() => {
      seen.push(probability());
      return !isVacated();
    });
    expect(Math.min(...seen)).to.be.below(97);
    expect(seen.at(-1)).to.equal(100);
    expect(new Set(seen).size).to.be.above(3);
  });

  it("should take action once, not at every look", async () => {
    await world.reserve("experiment");
    world.migrationSeconds = 40;
    await world.runWhile(() => !isVacated());
    expect(announced("PlanAdjusted").length).to.be.within(1, 3);
    expect(status()?.plan?.adjustments?.length).to.equal(announced("PlanAdjusted").length);
  });
});

describe("the quote of a reservation", () => {
  it("should tell what to expect, and change only with the plan", async () => {
    const world = new World();
    for (const name of ["host-a", "host-b"]) world.host(name);
    world.machine("one", "host-a");
    world.machine("pinned-b", "host-b", { migration: { policy: "Never" } });
    await world.reserve("experiment", { window: { start: world.at(600), duration: "2m" } });
    await world.runUntil(2);
    const { quote, plan } = world.reservation("experiment").status ?? {};
    expect(quote?.onTimeProbability).to.match(/^99\.\d%$/);
    expect(quote?.predictedMilliseconds).to.equal(plan?.predictedMilliseconds);
    expect(quote?.downtimeMilliseconds).to.be.within(1000, plan?.predictedMilliseconds ?? 0);
    const certainFrom = Date.parse(quote?.certainFrom ?? "");
    const needed = certainFrom - Date.parse(plan?.computedAt ?? "");
    expect(needed).to.be.within(plan?.allowanceMilliseconds ?? 0, 600_000);
    await world.runUntil(100);
    expect(world.reservation("experiment").status?.quote).to.deep.equal(quote);
    world.machine("two", "host-a");
    await world.runUntil(104);
    const after = world.reservation("experiment").status?.quote;
    expect(after?.downtimeMilliseconds).to.be.above(quote?.downtimeMilliseconds ?? 0);
    expect(Date.parse(after?.certainFrom ?? "")).to.be.above(certainFrom + 90_000);
  });

  it("should tell of a window that is hard to meet", async () => {
    const world = new World();
    for (const name of ["host-a", "host-b"]) world.host(name);
    world.machine("one", "host-a");
    world.machine("pinned-b", "host-b", { migration: { policy: "Never" } });
    await world.reserve("experiment", { window: { start: world.at(5), duration: "2m" } });
    await world.runUntil(1);
    const { quote } = world.reservation("experiment").status ?? {};
    expect(Number.parseFloat(quote?.onTimeProbability ?? "")).to.be.below(90);
    expect(Date.parse(quote?.certainFrom ?? "")).to.be.above(Date.parse(world.at(5)));
  });
});
