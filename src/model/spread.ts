import { median } from "./local-level.ts";

/** How measured durations differ from expected ones, relative to these. */
export interface Spread {
  /** Of the ordinary ones, 0.05 being 5 %. */
  relativeDeviation: number;
  /** How well it is known. */
  degreesOfFreedom: number;
  /** Of those that belong to no ordinary distribution: by how much each took longer, 9 being ten times as long. */
  excesses: number[];
  /** All that were looked at. */
  observations: number;
}

/** Errors beyond so many standard deviations are none of ordinary spread. */
const outlierDeviations = 5;
const smallestDeviation = 0.005;

/**
 * @param errors natural logarithms of measured / expected
 * @param freeCoefficients what was estimated from the same observations
 */
export function describeSpread(errors: readonly number[], freeCoefficients: number): Spread {
  const robust = Math.max(smallestDeviation, 1.4826 * median(errors.map(Math.abs)));
  const limit = outlierDeviations * robust * Math.sqrt(errors.length / Math.max(1, errors.length - freeCoefficients));
  const ordinary = errors.filter((error) => Math.abs(error) <= limit);
  const squares = ordinary.reduce((sum, error) => sum + error ** 2, 0);
  const degreesOfFreedom = Math.max(0, ordinary.length - freeCoefficients);
  return {
    relativeDeviation: Math.sqrt(squares / Math.max(1, degreesOfFreedom)),
    degreesOfFreedom,
    excesses: errors.filter((error) => error > limit).map(Math.expm1),
    observations: errors.length,
  };
}
