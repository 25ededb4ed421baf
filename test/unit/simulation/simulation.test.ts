import { expect } from "chai";
import { policies } from "../../../src/simulation/policies.ts";
import { drawn, noiseFactor } from "../../../src/simulation/random.ts";
import { type PolicyScore, runPolicy } from "../../../src/simulation/run-policy.ts";
import { drawWorkload } from "../../../src/simulation/workload.ts";

const small = { days: 5, hosts: 6, virtualMachines: 12, seed: 1 };

describe("simulation", () => {
  const leadSeconds = 900;
  const scores = new Map<string, PolicyScore>();

  before(async function () {
    this.timeout(60_000);
    for (const policy of policies(leadSeconds)) {
      scores.set(policy.name, await runPolicy(drawWorkload(small), policy, small.seed));
    }
  });

  const score = (name: string): PolicyScore => {
    const found = scores.get(name);
    if (!found) throw new Error(`no policy ${name}`);
    return found;
  };

  it("should bring every window to its end and every VM there and back", () => {
    for (const [name, { asked, admitted, migrations, downtimeSeconds }] of scores) {
      expect(asked, name).to.equal(drawWorkload(small).requests.length);
      expect(admitted, name).to.be.within(1, asked);
      // As many back as out.
      expect(migrations % 2, name).to.equal(0);
      expect(downtimeSeconds, name).to.be.above(migrations * 0.5);
    }
  });

  it("should let hosts stand idle for as long as the policy begins early", () => {
    const [atOnce, fixed, quantile] = [score("at once"), score("fixed lead"), score("quantile")];
    expect(fixed.medianLeadSeconds).to.be.within(0.8 * leadSeconds, leadSeconds);
    expect(atOnce.medianLeadSeconds).to.be.above(1800);
    expect(quantile.medianLeadSeconds).to.be.within(0, 120);
    expect(quantile.idleHostHours).to.be.below(fixed.idleHostHours);
    expect(fixed.idleHostHours).to.be.below(atOnce.idleHostHours);
  });

  it("should be on time under every policy that begins early enough", () => {
    for (const name of ["at once", "fixed lead", "quantile"]) {
      expect(score(name).onTime, name).to.equal(score(name).admitted);
      expect(score(name).worstLeadSeconds, name).to.be.above(0);
    }
  });

  it("should give the same answer for the same seed, and another one for another", async () => {
    const [, , , quantile] = policies(leadSeconds);
    if (!quantile) throw new Error("no fourth policy");
    const again = await runPolicy(drawWorkload(small), quantile, small.seed);
    expect(JSON.stringify(again)).to.equal(JSON.stringify(score("quantile")));
    expect(drawWorkload({ ...small, seed: 2 })).to.not.deep.equal(drawWorkload(small));
  }).timeout(30_000);
});

describe("drawn", () => {
  it("should be even over 0 to 1, and noise around 1 as wide as asked", () => {
    const draws = Array.from({ length: 20_000 }, (_, index) => drawn("test", index));
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(draws)).to.be.closeTo(0.5, 0.01);
    for (const limit of [0.01, 0.25, 0.9]) {
      expect(draws.filter((draw) => draw < limit).length / draws.length).to.be.closeTo(limit, 0.01);
    }
    const logs = draws.map((_, index) => Math.log(noiseFactor(0.12, "test", index)));
    expect(mean(logs)).to.be.closeTo(0, 0.005);
    expect(Math.sqrt(mean(logs.map((log) => log ** 2)))).to.be.closeTo(0.12, 0.005);
  });
});
