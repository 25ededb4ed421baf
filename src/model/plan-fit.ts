import { designOf, dot } from "./least-squares.ts";
import { type PlanStructure, planStructures } from "./plan-structure.ts";
import { crossValidate, logRatio, robustFit } from "./robust-fit.ts";
import { describeSpread } from "./spread.ts";

/** The durations of a plan's migrations, and what the whole took. */
export interface PlanTotals {
  /** In the order in which they began. */
  migrationSeconds: readonly number[];
  /** Migrations at once. */
  parallel: number;
  totalSeconds: number;
}

/** How totals follow from the durations of single migrations. */
export interface PlanFit {
  /** By column of the shape; absent while it is not fitted. */
  coefficients?: readonly number[];
  seconds(migrationSeconds: readonly number[], parallel: number): number;
  /** Standard deviation of what the single durations do not explain, as a share of the total. */
  relativeDeviation: number;
}

/** How a total may be put together: the structure, and what each migration and each plan costs besides. */
export interface PlanShape {
  structure: PlanStructure;
  /** 1: the structure's seconds; 2: and a share for each migration; 3: and one for the plan. */
  columns: number;
}

const plainShape: PlanShape = { structure: planStructures[0] as PlanStructure, columns: 1 };
/** Knowing nothing, migrations take as long as they take, with a few percent for what lies between them. */
const plainFit: PlanFit = { seconds: plainShape.structure, relativeDeviation: 0.05 };
const fewestPlans = 3;
const plansByColumn = 3;
/** A more complex shape has to predict better by this share. */
const worthMore = 0.05;
const smallestLoss = 1e-3;

/** The shape that predicts totals best that it has not seen. */
export function choosePlanShape(plans: readonly PlanTotals[]): PlanShape {
  if (plans.length < fewestPlans) return plainShape;
  const seconds = plans.map(({ totalSeconds }) => totalSeconds);
  let best = { shape: plainShape, loss: Number.POSITIVE_INFINITY };
  for (let columns = 1; columns <= 3 && plans.length >= plansByColumn * columns; columns++) {
    for (const structure of planStructures) {
      const shape = { structure, columns };
      // What nobody notices is no reason to prefer one.
      const loss = Math.max(smallestLoss, crossValidate(rowsOf(plans, shape), seconds));
      if (loss < best.loss * (1 - worthMore)) best = { shape, loss };
    }
  }
  return best.shape;
}

/** @param plans oldest first */
export function fitPlans(plans: readonly PlanTotals[], shape: PlanShape, start?: readonly number[]): PlanFit {
  if (plans.length < fewestPlans) return plainFit;
  const design = designOf(rowsOf(plans, shape));
  const totals = Float64Array.from(plans, ({ totalSeconds }) => totalSeconds);
  const weights = Float64Array.from(plans, (_, index) => 0.5 ** ((plans.length - 1 - index) / halfLife));
  const { coefficients, freeCoefficients, fitted } = robustFit(design, totals, weights, start);
  const errors = Array.from(totals, (seconds, index) => logRatio(seconds, fitted[index] ?? 0));
  return {
    coefficients,
    seconds: (migrationSeconds, parallel) => dot(rowOf(migrationSeconds, parallel, shape), coefficients),
    relativeDeviation: describeSpread(errors, freeCoefficients).relativeDeviation,
  };
}

/** A plan counts half when so many have come after it. */
const halfLife = 50;

function rowsOf(plans: readonly PlanTotals[], shape: PlanShape): number[][] {
  return plans.map(({ migrationSeconds, parallel }) => rowOf(migrationSeconds, parallel, shape));
}

function rowOf(migrationSeconds: readonly number[], parallel: number, { structure, columns }: PlanShape): number[] {
  return [structure(migrationSeconds, parallel), migrationSeconds.length, 1].slice(0, columns);
}
