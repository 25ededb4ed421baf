import { expect } from "chai";
import { type Behaviour, generatePlans } from "../../../hack/bench/model-generators.ts";
import { Backtest, type BacktestOptions, type BacktestResult } from "../../../src/backtest/backtest.ts";
import { formatBacktest } from "../../../src/backtest/report.ts";
import type { MeasuredPlan } from "../../../src/model/plan-learner.ts";

const options: BacktestOptions = { onTimeProbability: 0.99, warmUpPlans: 3 };

function replay(plans: Iterable<MeasuredPlan>, overrides: Partial<BacktestOptions> = {}): BacktestResult {
  const backtest = new Backtest({ ...options, ...overrides });
  for (const plan of plans) backtest.add(plan);
  return backtest.result();
}

function generated(overrides: Partial<Behaviour>, seed = 1): MeasuredPlan[] {
  return [...generatePlans({ plans: 150, noise: 0.03, migrations: [2, 6], ...overrides }, seed)];
}

function planOf(...migrations: [mebibytes: number, seconds: number][]): MeasuredPlan {
  return {
    migrations: migrations.map(([mebibytes, seconds]) => ({ stateBytes: mebibytes * 2 ** 20, seconds, parallel: 1 })),
    totalSeconds: migrations.reduce((sum, [, seconds]) => sum + seconds, 0),
  };
}

const value = (score: number | null): number => score ?? Number.NaN;

describe("the backtest", () => {
  it("should score what it should, by hand", () => {
    const exact = Array.from({ length: 6 }, (_, index) => planOf([100 + 100 * index, 2 + index]));
    const { vm, plan, justInTime, baselines } = replay([...exact, planOf([700, 10])], { warmUpPlans: 6 });
    // The line says 8 where 10 was measured.
    expect(vm.n).to.equal(1);
    expect(vm.mape).to.be.closeTo(0.2, 1e-3);
    expect(vm.bias).to.be.closeTo(-0.2, 1e-3);
    expect(plan).to.have.keys("n", "mape", "p90");
    expect(justInTime).to.include({ probability: 0.99, onTime: 0, idle: 0 });
    expect(baselines.mean.vm.mape).to.be.closeTo(1 - 4.5 / 10, 1e-9);
    expect(baselines.last.plan.mape).to.be.closeTo(1 - 7 / 10, 1e-9);
    expect(baselines.rate.vm.mape).to.be.closeTo(1 - (27 / 2100) * 70, 1e-9);
  });

  it("should not let a plan see itself or what comes after it", () => {
    const plans = generated({});
    const changed = plans.with(-1, { ...(plans.at(-1) as MeasuredPlan), totalSeconds: 1e6 });
    const scoresOf = (list: MeasuredPlan[]) => replay(list.slice(0, -1));
    expect(scoresOf(changed)).to.deep.equal(scoresOf(plans));
    // The last plan is predicted alike whatever it took: with it, exactly one more plan is off.
    expect(value(replay(changed, { warmUpPlans: plans.length - 1 }).vm.mape)).to.equal(
      value(replay(plans, { warmUpPlans: plans.length - 1 }).vm.mape),
    );
  });

  it("should come close to the noise, keep its promise, and beat every baseline", () => {
    const { vm, plan, justInTime, baselines } = replay(generated({ plans: 300 }));
    // The mean absolute value of normal noise of 3 % is 2.4 %.
    expect(value(vm.mape)).to.be.below(0.026);
    expect(value(plan.mape)).to.be.below(value(vm.mape));
    expect(value(justInTime.onTime)).to.be.at.least(0.985);
    expect(value(justInTime.idle)).to.be.below(0.07);
    for (const baseline of Object.values(baselines)) {
      expect(value(vm.mape)).to.be.below(value(baseline.vm.mape) / 2);
      expect(value(plan.mape)).to.be.below(value(baseline.plan.mape) / 2);
    }
  });

  it("should follow a drift that a frozen model cannot", () => {
    const plans = generated({ level: (index) => 1 + 0.004 * index });
    const live = replay(plans);
    const frozen = replay(plans, { freezeAfterPlans: 20 });
    expect(value(live.plan.mape)).to.be.below(0.03);
    expect(value(frozen.plan.mape)).to.be.above(0.1);
  });

  it("should recover from a jump within a few plans", () => {
    const plans = generated({ level: (index) => (index < 75 ? 1 : 1.6) });
    const backtest = new Backtest({ ...options, warmUpPlans: 80 });
    for (const plan of plans) backtest.add(plan);
    expect(value(backtest.result().plan.mape)).to.be.below(0.03);
  });

  it("should learn what sharing a link costs and what it gains", () => {
    const { vm, plan } = replay(generated({ parallel: [1, 2, 4], contention: 0.5, plans: 250 }));
    expect(value(vm.mape)).to.be.below(0.035);
    expect(value(plan.mape)).to.be.below(0.035);
  });

  it("should not be moved by migrations that take ten times as long, but allow for them", () => {
    const { vm, justInTime } = replay(generated({ outliers: 0.01, plans: 300 }));
    // Each of them is an error of 90 % by itself.
    expect(value(vm.mape)).to.be.below(0.026 + 0.009 * 1.6);
    expect(value(vm.p90)).to.be.below(0.06);
    expect(value(justInTime.onTime)).to.be.at.least(0.98);
  });

  it("should hold other promises too", () => {
    for (const onTimeProbability of [0.8, 0.9, 0.95]) {
      const { justInTime } = replay(generated({ plans: 400 }, 7), { onTimeProbability });
      expect(value(justInTime.onTime)).to.be.within(onTimeProbability - 0.03, onTimeProbability + 0.08);
    }
  });

  it("should have nothing to say where nothing is scored", () => {
    const result = replay(generated({ plans: 2 }));
    expect(result.vm).to.deep.equal({ n: 0, mape: null, p90: null, bias: null });
    expect(result.justInTime).to.deep.equal({ probability: 0.99, onTime: null, idle: null });
    expect(formatBacktest(result)).to.contain("0 migrations in 0 plans");
  });

  it("should survive the first plan without any to learn from", () => {
    const result = replay(generated({ plans: 5 }), { warmUpPlans: 0 });
    expect(result.plan.n).to.equal(5);
    expect(result.baselines.last.plan.n).to.equal(4);
    expect(Number.isFinite(value(result.plan.mape))).to.equal(true);
  });
});
