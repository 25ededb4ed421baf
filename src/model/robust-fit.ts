import { type Design, designOf, fittedValues, type LeastSquares, nonNegativeLeastSquares } from "./least-squares.ts";

/** A fit whose coefficients a few wild observations do not move. */
export interface RobustFit extends Pick<LeastSquares, "coefficients" | "freeCoefficients"> {
  /** By observation. */
  fitted: Float64Array;
  /** What is unknown of the fitted value at the row, as independent parts, relative to it and to the residuals' deviation. */
  relativeUncertainty(row: readonly number[]): number[];
}

/** Keeps relative residuals of what takes next to no time finite. */
export const shortestRelevantSeconds = 0.02;
/** Relative spread below which nobody needs to tell outliers. */
const smallestScale = 0.01;
/** Beyond this many standard deviations an observation counts for nothing. */
const rejectionDeviations = 5;
const absoluteRounds = 10;
const bisquareRounds = 8;
/** Rounds end when no fitted value moves by more than this share. */
const settledShare = 1e-4;
const folds = 5;
/** Errors in cross-validation beyond this share are all the same. */
const worstRelativeError = 0.3;

/**
 * Fits seconds = row · coefficients, coefficients zero or more, so that relative errors are small: first by least
 * absolute errors, which half of the observations cannot mislead, then by Tukey's bisquare, which is nearly as
 * precise as least squares.
 * @param weights how much each observation matters; above zero
 * @param start coefficients of a fit to nearly the same observations, which saves the first step
 */
export function robustFit(
  design: Design,
  seconds: Float64Array,
  weights: Float64Array,
  start?: readonly number[],
): RobustFit {
  let fit: LeastSquares | undefined;
  // At first by what was measured: it makes an observation that took ten times as long count for a hundredth.
  let fitted = start ? fittedValues(design, start) : seconds;
  const refit = (reliability: (residual: number) => number): boolean => {
    const scaled = weights.map((weight, index) => {
      const expected = Math.max(fitted[index] as number, shortestRelevantSeconds);
      return (weight * reliability(((seconds[index] as number) - expected) / expected)) / expected ** 2;
    });
    fit = nonNegativeLeastSquares(design, seconds, scaled);
    const last = fitted;
    fitted = fittedValues(design, fit.coefficients);
    return fitted.some((value, index) => Math.abs(value - (last[index] as number)) > settledShare * value);
  };
  if (!start) {
    for (let round = 0; round < absoluteRounds; round++) {
      if (!refit((residual) => 1 / Math.max(Math.abs(residual), smallestScale))) break;
    }
  }
  for (let round = 0; round < bisquareRounds; round++) {
    const limit = rejectionDeviations * scaleOf(fitted, seconds, fit?.freeCoefficients ?? design.columns);
    if (!refit((residual) => Math.max(0, 1 - (residual / limit) ** 2) ** 2)) break;
  }
  const { coefficients, freeCoefficients, uncertainty } = fit as LeastSquares;
  return {
    coefficients,
    freeCoefficients,
    fitted,
    relativeUncertainty: (row) => {
      const expected = row.reduce((sum, value, column) => sum + value * (coefficients[column] ?? 0), 0);
      return uncertainty(row).map((part) => part / Math.max(expected, shortestRelevantSeconds));
    },
  };
}

/** The relative standard deviation that the median of the absolute residuals stands for. */
function scaleOf(fitted: Float64Array, seconds: Float64Array, freeCoefficients: number): number {
  const absolute = fitted
    .map((value, index) => Math.abs((seconds[index] as number) / Math.max(value, shortestRelevantSeconds) - 1))
    .sort();
  // As many residuals as there are coefficients can be made zero by choice of these.
  const forced = Math.min(freeCoefficients, absolute.length - 1);
  const middle = Math.min(absolute.length - 1, Math.ceil(forced + (absolute.length - forced) / 2) - 1);
  return Math.max(smallestScale, 1.4826 * (absolute[middle] ?? 0));
}

/** Mean relative error on observations that were left out of the fit. */
export function crossValidate(rows: readonly (readonly number[])[], seconds: readonly number[]): number {
  const ones = (count: number) => new Float64Array(count).fill(1);
  const { coefficients: start } = robustFit(designOf(rows), Float64Array.from(seconds), ones(rows.length));
  const parts = Math.min(folds, rows.length);
  let sum = 0;
  for (let fold = 0; fold < parts; fold++) {
    const isTraining = (_: unknown, index: number) => index % parts !== fold;
    const isTest = (_: unknown, index: number) => index % parts === fold;
    const training = designOf(rows.filter(isTraining));
    const measured = Float64Array.from(seconds.filter(isTraining));
    const { coefficients } = robustFit(training, measured, ones(measured.length), start);
    const predicted = fittedValues(designOf(rows.filter(isTest)), coefficients);
    seconds.filter(isTest).forEach((each, index) => {
      sum += Math.min(worstRelativeError, Math.abs(logRatio(each, predicted[index] ?? 0)));
    });
  }
  return sum / rows.length;
}

/** Natural logarithm of measured / expected, finite also for what takes next to no time. */
export function logRatio(measured: number, expected: number): number {
  return Math.log(Math.max(measured, shortestRelevantSeconds) / Math.max(expected, shortestRelevantSeconds));
}
