import { type MeasuredPlan, PlanLearner } from "../model/plan-learner.ts";
import { type BaselineScores, Baselines } from "./baselines.ts";
import { ErrorCollector, type ErrorScores } from "./scores.ts";

export interface BacktestOptions {
  /** Wanted probability of being on time; above 0, below 1. */
  onTimeProbability: number;
  /** First plans that are learned from but not scored. */
  warmUpPlans: number;
  /** Nothing is learned any more after so many plans; absent means learning never ends. */
  freezeAfterPlans?: number | undefined;
}

/** Shares, not percent; null where there was nothing to compare. */
export interface BacktestResult {
  vm: ErrorScores;
  plan: Omit<ErrorScores, "bias">;
  justInTime: {
    probability: number;
    /** Share of the plans that stayed within what was allowed for them. */
    onTime: number | null;
    /** Mean of what was left unused, as a share of what the plan took. */
    idle: number | null;
  };
  baselines: BaselineScores;
}

/** Replays plans in the order in which they ran. Each is predicted only from those before it. */
export class Backtest {
  readonly #options: BacktestOptions;
  readonly #learner = new PlanLearner();
  readonly #baselines = new Baselines();
  readonly #migrationErrors = new ErrorCollector();
  readonly #totalErrors = new ErrorCollector();
  #plans = 0;
  #onTime = 0;
  #unusedShares = 0;

  constructor(options: BacktestOptions) {
    this.#options = options;
  }

  get plans(): number {
    return this.#plans;
  }

  add(plan: MeasuredPlan): void {
    if (this.#plans >= this.#options.warmUpPlans) this.#score(plan);
    this.#plans++;
    if (this.#plans > (this.#options.freezeAfterPlans ?? Number.POSITIVE_INFINITY)) return;
    this.#learner.learn(plan);
    this.#baselines.learn(plan);
  }

  result(): BacktestResult {
    const vm = this.#migrationErrors.scores();
    const { bias: _, ...plan } = this.#totalErrors.scores();
    const share = (sum: number) => (plan.n > 0 ? sum / plan.n : null);
    return {
      vm,
      plan,
      justInTime: {
        probability: this.#options.onTimeProbability,
        onTime: share(this.#onTime),
        idle: share(this.#unusedShares),
      },
      baselines: this.#baselines.scores(),
    };
  }

  #score(plan: MeasuredPlan): void {
    const { migrations, totalSeconds } = plan;
    const prediction = this.#learner.predict(migrations);
    migrations.forEach(({ seconds }, index) => {
      this.#migrationErrors.add(prediction.migrationSeconds[index] ?? 0, seconds);
    });
    this.#totalErrors.add(prediction.total.meanSeconds, totalSeconds);
    const allowance = this.#learner.allowanceSeconds(prediction, this.#options.onTimeProbability);
    if (totalSeconds <= allowance) this.#onTime++;
    this.#unusedShares += Math.max(0, allowance - totalSeconds) / totalSeconds;
    this.#baselines.score(plan);
  }
}
