import { type DurationDistribution, quantileSeconds } from "./duration-distribution.ts";
import { chooseShape, type DurationFit, fitShape } from "./duration-fit.ts";
import { median } from "./local-level.ts";
import { fewestObservations } from "./phase-fits.ts";
import { choosePlanShape, fitPlans, type PlanFit, type PlanShape, type PlanTotals } from "./plan-fit.ts";
import { predictMigration } from "./predict-migration.ts";
import { mergeDelays, type RareDelay } from "./rare-delay.ts";
import { followRemainder } from "./remainder.ts";
import { logRatio } from "./robust-fit.ts";
import type { DurationSample, Form, Shape } from "./shapes.ts";
import { studentTProbability, studentTQuantile } from "./student-t.ts";

/** What is known of a migration before it starts. */
export type PlannedMigration = Pick<DurationSample, "stateBytes" | "parallel">;

/** A plan that was carried out. */
export interface MeasuredPlan {
  /** In the order in which they began. */
  migrations: readonly DurationSample[];
  totalSeconds: number;
}

export interface PlanPrediction {
  /** By migration. */
  migrationSeconds: number[];
  total: DurationDistribution;
  /** By how many standard deviations earlier totals were longer than predicted; rare delays left out. */
  pastDeviations: number[];
}

/** A prediction and what came of it, as logarithms relative to the prediction. */
interface Outcome {
  error: number;
  /** Standard deviation that was expected of the error. */
  expectedDeviation: number;
  parallel: number;
}

interface Forecast {
  migrationSeconds: number[];
  /** Relative standard deviation of a single one. */
  migrationDeviation: number;
  parallel: number;
  totalSeconds: number;
  /** Relative standard deviation of the total, by the fits alone. */
  expectedDeviation: number;
}

const longestHistory = 200;
const mostPlans = 100;
/** With many plans behind it, a fit is renewed only after several more, or after one whose total surprised. */
const longestFitInterval = 8;
const plansByFitInterval = 200;
const noteworthySurprise = 2;
/** While nothing was measured. */
const linkBytesPerSecond = 125e6;
const assumedSecondsPerByte = 1 / linkBytesPerSecond;
const smallestDeviation = 0.002;
/** Of a total's error while nothing was measured. */
const unknownDeviation = 0.25;
/** The spread that the fits expect of totals is worth so many outcomes. */
const expectedSpreadDegrees = 4;
const outlierDeviations = 5;
/** Outcomes beyond a quantile from which the one that was seen counts half. */
const halfTrustedTail = 4;
/** A migration that took so much longer than expected, as a share, is no ordinary one. */
const smallestExcess = 0.1;
const mostExcesses = 50;
/** A choice is made anew when there is this share more to choose by, or so many. */
const choiceGrowth = 0.25;
const choiceInterval = 50;

/**
 * Learns from whole plans, and predicts them: each migration by the same fit as an OverheadModel's, the total from these, and
 * how much both are off from how much they were off before. Holds the latest few hundred observations.
 */
export class PlanLearner {
  readonly #form: Form | "Auto";
  #samples: DurationSample[] = [];
  #plans: PlanTotals[] = [];
  #outcomes: Outcome[] = [];
  /** Excess of migrations that took very much longer, relative to what was expected. */
  #excesses: number[] = [];
  /** Of the latest migrations, as long as each of them took very much longer. */
  #latestExcesses: number[] = [];
  /** Migrations that were compared with a fit. */
  #migrationsSeen = 0;
  #migrationsLearned = 0;
  #plansLearned = 0;
  #plansSinceFit = 0;
  #shape: { chosen: Shape; since: number; coefficients?: readonly number[] } | undefined;
  #planShape: { chosen: PlanShape; since: number; coefficients?: readonly number[] } | undefined;
  #current: { migrations: DurationFit | undefined; plans: PlanFit } | undefined;

  constructor(form: Form | "Auto" = "Auto") {
    this.#form = form;
  }

  /** @param migrations in the order in which they begin, at least one */
  predict(migrations: readonly PlannedMigration[]): PlanPrediction {
    const { migrationSeconds, parallel, totalSeconds, expectedDeviation } = this.#forecast(migrations);
    const { factors, track } = followRemainder(
      this.#outcomes.map(({ error }) => error),
      this.#outcomes.map((outcome) => outcome.parallel),
    );
    const bias = track.level + (factors.get(parallel) ?? 0);
    const { stretch, degreesOfFreedom, scores } = this.#calibration(track.expected, factors);
    const meanSeconds = totalSeconds * Math.exp(bias);
    return {
      migrationSeconds,
      pastDeviations: scores.map((score) => score / stretch),
      total: {
        meanSeconds,
        standardDeviationSeconds: meanSeconds * expectedDeviation * stretch,
        systematicStandardDeviationSeconds: 0,
        degreesOfFreedom,
        rareDelays: this.#rareDelays(migrationSeconds, parallel),
      },
    };
  }

  /**
   * The seconds to plan for so that the total stays within them with the given probability: the quantile plus one
   * standard error of it, since whoever asks for 99 % is worse off with 98 % than with 99.5 %.
   */
  allowanceSeconds({ total, pastDeviations }: PlanPrediction, probability: number): number {
    const deviations = observedQuantile(pastDeviations, probability, total.degreesOfFreedom);
    const density = Math.exp(-(studentTQuantile(probability, 1e6) ** 2) / 2) / Math.sqrt(2 * Math.PI);
    const outcomes = Math.max(20, this.#outcomes.length);
    const standardError = Math.sqrt((probability * (1 - probability)) / outcomes) / density;
    const safe = studentTProbability(deviations + Math.min(1, standardError), total.degreesOfFreedom);
    return quantileSeconds(total, safe);
  }

  /** Learns from a plan that is over. */
  learn({ migrations, totalSeconds }: MeasuredPlan): void {
    const forecast = this.#forecast(migrations);
    const isFitted = this.#fits().migrations !== undefined;
    const isExcused = isFitted && this.#noteExcesses(migrations, forecast);
    if (isFitted) this.#migrationsSeen += migrations.length;
    const { parallel, expectedDeviation } = forecast;
    if (isFitted && !isExcused) {
      const error = logRatio(totalSeconds, forecast.totalSeconds);
      this.#outcomes = [...this.#outcomes, { error, expectedDeviation, parallel }].slice(-longestHistory);
    }
    this.#samples = [...this.#samples, ...migrations].slice(-longestHistory);
    const migrationSeconds = migrations.map(({ seconds }) => seconds);
    this.#plans = [...this.#plans, { migrationSeconds, parallel, totalSeconds }].slice(-mostPlans);
    this.#migrationsLearned += migrations.length;
    this.#plansLearned++;
    this.#plansSinceFit++;
    const surprise = Math.abs(logRatio(totalSeconds, forecast.totalSeconds)) / expectedDeviation;
    const interval = Math.min(longestFitInterval, Math.ceil(this.#plansLearned / plansByFitInterval));
    if (surprise > noteworthySurprise || this.#plansSinceFit >= interval) this.#current = undefined;
  }

  /** Notes migrations that took very much longer, and tells whether there was one. */
  #noteExcesses(migrations: readonly DurationSample[], forecast: Forecast): boolean {
    const limit = Math.max(smallestExcess, outlierDeviations * forecast.migrationDeviation);
    let hasExcess = false;
    migrations.forEach(({ seconds }, index) => {
      const excess = Math.expm1(logRatio(seconds, forecast.migrationSeconds[index] ?? 0));
      if (excess > limit) {
        hasExcess = true;
        this.#latestExcesses.push(excess);
        return;
      }
      // One by itself is a rare delay. Several in a row are the new usual.
      const [single, ...others] = this.#latestExcesses;
      if (single !== undefined && others.length === 0)
        this.#excesses = [...this.#excesses, single].slice(-mostExcesses);
      this.#latestExcesses = [];
    });
    return hasExcess;
  }

  #forecast(migrations: readonly PlannedMigration[]): Forecast {
    const fits = this.#fits();
    const parallel = migrations.reduce((most, each) => Math.max(most, each.parallel), 1);
    const migrationSeconds = migrations.map(({ stateBytes, parallel }) =>
      fits.migrations
        ? fits.migrations.seconds(stateBytes, parallel)
        : predictMigration({ stateBytes, linkBytesPerSecond }).totalSeconds,
    );
    const totalSeconds = fits.plans.seconds(migrationSeconds, parallel);
    const sum = migrationSeconds.reduce((total, seconds) => total + seconds, 0);
    const migrationDeviation = fits.migrations?.spread.relativeDeviation ?? unknownDeviation;
    if (!fits.migrations || sum === 0) {
      return { migrationSeconds, parallel, totalSeconds, migrationDeviation, expectedDeviation: unknownDeviation };
    }
    // What differs from one to the next evens out, along the way that takes longest; what they share does not.
    let squares = 0;
    let shared: number[] = [];
    migrations.forEach((migration, index) => {
      const share = (migrationSeconds[index] ?? 0) / sum;
      squares += share ** 2;
      const parts = fits.migrations?.uncertainty(migration.stateBytes, migration.parallel) ?? [];
      shared = parts.map((part, at) => (shared[at] ?? 0) + share * part);
    });
    const evened = Math.sqrt(squares * Math.min(parallel, migrations.length));
    const expectedDeviation = Math.hypot(
      migrationDeviation * Math.hypot(evened, ...shared),
      fits.plans.relativeDeviation,
    );
    return {
      migrationSeconds,
      parallel,
      totalSeconds,
      migrationDeviation,
      expectedDeviation: Math.max(smallestDeviation, expectedDeviation),
    };
  }

  /** By how much outcomes differed more, or less, than was expected of them. */
  #calibration(expected: readonly number[], factors: ReadonlyMap<number, number>) {
    const scores = this.#outcomes.map(
      ({ error, expectedDeviation, parallel }, index) =>
        (error - (expected[index] ?? 0) - (factors.get(parallel) ?? 0)) / expectedDeviation,
    );
    const limit = outlierDeviations * Math.max(1, 1.4826 * median(scores.map(Math.abs)));
    const ordinary = scores.filter((score) => Math.abs(score) <= limit);
    const squares = ordinary.reduce((sum, score) => sum + score ** 2, 0);
    const degreesOfFreedom = expectedSpreadDegrees + ordinary.length;
    const stretch = Math.sqrt((expectedSpreadDegrees + squares) / degreesOfFreedom);
    return { stretch, degreesOfFreedom, scores: ordinary };
  }

  #rareDelays(migrationSeconds: readonly number[], parallel: number): RareDelay[] {
    const excesses = mergeDelays(
      this.#excesses.map((seconds) => ({ expectedCount: 1 / this.#migrationsSeen, seconds })),
    );
    if (excesses.length === 0) return [];
    const structure = this.#fits().plans.seconds;
    const usual = structure(migrationSeconds, parallel);
    // One kind of migration stands for its neighbours in size: the middle one of each quarter.
    const sizes = mergeDelays(migrationSeconds.map((seconds) => ({ expectedCount: 1, seconds })));
    return sizes.flatMap(({ expectedCount, seconds }) => {
      const like = closestTo(migrationSeconds, seconds);
      return excesses.map((excess) => {
        const delayed = migrationSeconds.with(like, (migrationSeconds[like] ?? 0) * (1 + excess.seconds));
        const delay = structure(delayed, parallel) - usual;
        return { expectedCount: expectedCount * excess.expectedCount, seconds: Math.max(0, delay) };
      });
    });
  }

  #fits() {
    if (this.#current) return this.#current;
    this.#plansSinceFit = 0;
    this.#current = { migrations: this.#fitMigrations(), plans: this.#fitPlans() };
    return this.#current;
  }

  #fitMigrations(): DurationFit | undefined {
    const samples = this.#samples;
    if (samples.length < fewestObservations) return undefined;
    if (!this.#shape || isDue(this.#shape.since, this.#migrationsLearned)) {
      const options = { form: this.#form, assumedSecondsPerByte };
      this.#shape = { chosen: chooseShape(samples, options), since: this.#migrationsLearned };
    }
    const fit = fitShape(samples, this.#shape.chosen, this.#shape.coefficients);
    this.#shape.coefficients = fit.coefficients;
    return fit;
  }

  #fitPlans(): PlanFit {
    if (!this.#planShape || isDue(this.#planShape.since, this.#plansLearned)) {
      this.#planShape = { chosen: choosePlanShape(this.#plans), since: this.#plansLearned };
    }
    const fit = fitPlans(this.#plans, this.#planShape.chosen, this.#planShape.coefficients);
    if (fit.coefficients) this.#planShape.coefficients = fit.coefficients;
    return fit;
  }
}

/** Student's t quantile, and more and more the one that was seen: not every spread is symmetric. */
function observedQuantile(deviations: readonly number[], probability: number, degreesOfFreedom: number): number {
  const usual = studentTQuantile(probability, degreesOfFreedom);
  const sorted = Float64Array.from(deviations).sort();
  const seen = sorted[Math.min(sorted.length - 1, Math.floor(probability * (sorted.length + 1)))];
  if (seen === undefined) return usual;
  const beyond = sorted.length * Math.min(probability, 1 - probability);
  return usual + ((seen - usual) * beyond) / (beyond + halfTrustedTail);
}

/** Choosing costs far more than fitting. */
function isDue(then: number, now: number): boolean {
  return now - then >= Math.min(choiceInterval, Math.max(1, choiceGrowth * then));
}

function closestTo(values: readonly number[], wanted: number): number {
  let best = 0;
  values.forEach((value, index) => {
    if (Math.abs(value - wanted) < Math.abs((values[best] ?? 0) - wanted)) best = index;
  });
  return best;
}
