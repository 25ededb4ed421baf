import type { MeasuredPlan, PlannedMigration } from "../model/plan-learner.ts";
import { ErrorCollector, type ErrorScores } from "./scores.ts";

/** What a simple rule would predict; undefined as long as it has nothing to go by. */
interface Guess {
  migration(migration: PlannedMigration): number | undefined;
  total(migrations: readonly PlannedMigration[]): number | undefined;
}

export type BaselineName = "mean" | "rate" | "last";
export type BaselineScores = Record<BaselineName, { vm: ErrorScores; plan: Omit<ErrorScores, "bias"> }>;

/** Rules that anybody could predict by without a model, for comparison: mean so far, seconds per byte so far, last value. */
export class Baselines {
  #migrations = { count: 0, seconds: 0, bytes: 0, last: 0 };
  #plans = { count: 0, seconds: 0, bytes: 0, last: 0 };
  readonly #guesses: Record<BaselineName, Guess> = {
    mean: {
      migration: () => ratio(this.#migrations.seconds, this.#migrations.count),
      total: () => ratio(this.#plans.seconds, this.#plans.count),
    },
    rate: {
      migration: ({ stateBytes }) => scaled(ratio(this.#migrations.seconds, this.#migrations.bytes), stateBytes),
      total: (migrations) => scaled(ratio(this.#plans.seconds, this.#plans.bytes), bytesOf(migrations)),
    },
    last: {
      migration: () => (this.#migrations.count > 0 ? this.#migrations.last : undefined),
      total: () => (this.#plans.count > 0 ? this.#plans.last : undefined),
    },
  };
  readonly #errors = new Map<string, { vm: ErrorCollector; plan: ErrorCollector }>();

  score({ migrations, totalSeconds }: MeasuredPlan): void {
    for (const [name, guess] of Object.entries(this.#guesses)) {
      const errors = this.#errors.get(name) ?? { vm: new ErrorCollector(), plan: new ErrorCollector() };
      this.#errors.set(name, errors);
      for (const migration of migrations) {
        const seconds = guess.migration(migration);
        if (seconds !== undefined) errors.vm.add(seconds, migration.seconds);
      }
      const seconds = guess.total(migrations);
      if (seconds !== undefined) errors.plan.add(seconds, totalSeconds);
    }
  }

  learn({ migrations, totalSeconds }: MeasuredPlan): void {
    for (const { seconds, stateBytes } of migrations) add(this.#migrations, seconds, stateBytes);
    add(this.#plans, totalSeconds, bytesOf(migrations));
  }

  scores(): BaselineScores {
    const of = (name: BaselineName) => {
      const errors = this.#errors.get(name);
      const { bias: _, ...plan } = (errors?.plan ?? new ErrorCollector()).scores();
      return { vm: (errors?.vm ?? new ErrorCollector()).scores(), plan };
    };
    return { mean: of("mean"), rate: of("rate"), last: of("last") };
  }
}

function add(sums: { count: number; seconds: number; bytes: number; last: number }, seconds: number, bytes: number) {
  sums.count++;
  sums.seconds += seconds;
  sums.bytes += bytes;
  sums.last = seconds;
}

function bytesOf(migrations: readonly PlannedMigration[]): number {
  return migrations.reduce((sum, { stateBytes }) => sum + stateBytes, 0);
}

function ratio(sum: number, by: number): number | undefined {
  return by > 0 ? sum / by : undefined;
}

function scaled(rate: number | undefined, bytes: number): number | undefined {
  return rate === undefined ? undefined : rate * bytes;
}
