import { designOf, dot } from "./least-squares.ts";
import { type LocalLevel, median } from "./local-level.ts";
import { followRemainder, type Remainder } from "./remainder.ts";
import { crossValidate, logRatio, type RobustFit, robustFit } from "./robust-fit.ts";
import { candidateShapes, type DurationSample, type Form, type Shape } from "./shapes.ts";
import { describeSpread, type Spread } from "./spread.ts";

/** What was learned about how long something takes, by bytes of state and by how many share the link. */
export interface DurationFit {
  form: Form;
  observations: number;
  freeCoefficients: number;
  /** By column of the shape. */
  coefficients: readonly number[];
  largestStateBytes: number;
  /** How observations differ from what was expected of them. */
  spread: Spread;
  /** By sample: the seconds that were to be expected of it. */
  expectedSeconds: number[];
  /** How far the present is from the rest of the history, as a share: 0.2 is 20 % longer. */
  drift: number;
  /** Zero or more; never less for more state. */
  seconds(stateBytes: number, parallel?: number): number;
  /**
   * What is unknown of the fit itself there, as independent parts: the root of their squares is the standard deviation, as a
   * multiple of that of one observation.
   */
  uncertainty(stateBytes: number, parallel?: number): number[];
}

export interface FitOptions {
  /** Auto, the default, chooses by cross-validation. */
  form?: Form | "Auto";
  /** How time grows with size as long as all sizes are alike. */
  assumedSecondsPerByte: number;
}

/** An observation counts half when so many have come after it. */
const halfLife = 100;
/** Adjusting for level and sharing, then fitting again. */
const passes = 2;
const settledShare = 5e-4;
/** A more complex shape has to predict better by this share for each column more. */
const worthAColumn = 0.02;

/**
 * Fits durations. Wild observations do not move the fit, old ones fade, and a level that wanders or jumps is followed.
 * @param samples oldest first, at least one; seconds and bytes finite and zero or more
 */
export function fitDurations(samples: readonly DurationSample[], options: FitOptions): DurationFit {
  return fitShape(samples, chooseShape(samples, options));
}

/** The shape that predicts best what it has not seen; the simplest of those that are nearly as good. */
export function chooseShape(samples: readonly DurationSample[], options: FitOptions): Shape {
  const candidates = candidateShapes(samples, options.form ?? "Auto", options.assumedSecondsPerByte);
  const [simplest, ...others] = candidates;
  if (!simplest) throw new RangeError("a fit needs at least one sample");
  if (others.length === 0) return simplest;
  // A level that moves would drown the differences between the shapes; what any of them explains is no level.
  const { path } = levelled(samples, fitOnce(samples, candidates.at(-1) ?? simplest)).track;
  const settled = samples.map((sample, index) => ({ ...sample, seconds: sample.seconds / Math.exp(path[index] ?? 0) }));
  const priced = candidates.map((shape) => ({
    shape,
    loss:
      crossValidate(
        rowsOf(settled, shape),
        settled.map(({ seconds }) => seconds),
      ) *
      (1 + worthAColumn * (shape.columns - simplest.columns)),
  }));
  return priced.reduce((best, each) => (each.loss < best.loss * (1 - 1e-9) ? each : best)).shape;
}

/**
 * Fits durations in a shape that was chosen before.
 * @param start coefficients of a fit in this shape to nearly the same samples
 */
export function fitShape(samples: readonly DurationSample[], shape: Shape, start?: readonly number[]): DurationFit {
  let adjustment: number[] = samples.map(() => 0);
  let fit = fitOnce(samples, shape, start);
  let { factors, track } = levelled(samples, fit);
  for (let pass = 1; pass < passes; pass++) {
    const next = samples.map(({ parallel }, index) => (track.path[index] ?? 0) + (factors.get(parallel) ?? 0));
    if (next.every((value, index) => Math.abs(value - (adjustment[index] ?? 0)) < settledShare)) break;
    adjustment = next;
    fit = fitOnce(samples, shape, fit.coefficients, adjustment);
    ({ factors, track } = levelled(samples, fit));
  }
  const expectedSeconds = samples.map(
    ({ stateBytes, parallel }, index) =>
      dot(shape.row(stateBytes, parallel), fit.coefficients) *
      Math.exp((track.expected[index] ?? 0) + (factors.get(parallel) ?? 0)),
  );
  const errors = samples.map(({ seconds }, index) => logRatio(seconds, expectedSeconds[index] ?? 0));
  const { coefficients, freeCoefficients } = fit;
  return {
    form: shape.form,
    observations: samples.length,
    freeCoefficients,
    coefficients,
    largestStateBytes: Math.max(...samples.map(({ stateBytes }) => stateBytes)),
    spread: describeSpread(errors, freeCoefficients),
    expectedSeconds,
    drift: driftOf(track),
    seconds: (stateBytes, parallel = 1) =>
      dot(shape.row(stateBytes, parallel), coefficients) * Math.exp(track.level + (factors.get(parallel) ?? 0)),
    uncertainty: (stateBytes, parallel = 1) => [
      Math.sqrt(track.gain / (2 - track.gain)),
      Math.sqrt(shape.assumedLeverage(stateBytes)),
      ...fit.relativeUncertainty(shape.row(stateBytes, parallel)),
    ],
  };
}

function fitOnce(
  samples: readonly DurationSample[],
  shape: Shape,
  start?: readonly number[],
  adjustment?: readonly number[],
): RobustFit {
  const last = samples.length - 1;
  return robustFit(
    designOf(rowsOf(samples, shape)),
    Float64Array.from(samples, ({ seconds }, index) => seconds / Math.exp(adjustment?.[index] ?? 0)),
    Float64Array.from(samples, (_, index) => 0.5 ** ((last - index) / halfLife)),
    start,
  );
}

function rowsOf(samples: readonly DurationSample[], shape: Shape): number[][] {
  return samples.map(({ stateBytes, parallel }) => shape.row(stateBytes, parallel));
}

/** What the fit leaves over. */
function levelled(samples: readonly DurationSample[], fit: RobustFit): Remainder {
  return followRemainder(
    samples.map(({ seconds }, index) => logRatio(seconds, fit.fitted[index] ?? 0)),
    samples.map(({ parallel }) => parallel),
  );
}

function driftOf({ path, level, gain }: LocalLevel): number {
  return gain === 0 ? 0 : Math.expm1(level - median(path.slice(0, Math.max(1, path.length >> 1))));
}
