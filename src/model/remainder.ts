import { followLevel, type LocalLevel, median } from "./local-level.ts";

/** What a fit leaves over, as natural logarithms of measured / fitted. */
export interface Remainder {
  /** By degree of parallelism; empty while there is only one. */
  factors: Map<number, number>;
  /** What is left then, in time. */
  track: LocalLevel;
}

/** Observations from which a degree of parallelism gets a factor of its own half way. */
const halfTrustedObservations = 4;
const smallestDeviation = 0.01;
const passes = 2;

/**
 * Splits what is left over into a factor for each degree of parallelism, since sharing a link need not cost what the
 * regression's straight line says, and a level that moves in time.
 * @param residuals natural logarithms of measured / fitted, oldest first
 */
export function followRemainder(residuals: readonly number[], parallels: readonly number[]): Remainder {
  let track = followLevel(residuals, stepDeviation(residuals));
  let factors = new Map<number, number>();
  if (new Set(parallels).size < 2) return { factors, track };
  // First by parallelism alone: a level would follow what only looks like drift because plans of one kind come in a row.
  let settled = residuals;
  for (let pass = 0; pass < passes; pass++) {
    factors = factorsOf(settled, parallels);
    const rest = residuals.map((residual, index) => residual - (factors.get(parallels[index] ?? 1) ?? 0));
    track = followLevel(rest, stepDeviation(rest));
    if (track.gain === 0) break;
    const { path } = track;
    settled = residuals.map((residual, index) => residual - (path[index] ?? 0));
  }
  return { factors, track };
}

function factorsOf(residuals: readonly number[], parallels: readonly number[]): Map<number, number> {
  const groups = Map.groupBy(residuals, (_, index) => parallels[index] ?? 1);
  return new Map(
    [...groups].map(([parallel, group]) => [
      parallel,
      (median(group) * group.length) / (group.length + halfTrustedObservations),
    ]),
  );
}

/** From differences between neighbours, which a slow drift does not widen. */
function stepDeviation(residuals: readonly number[]): number {
  const steps = residuals.slice(1).map((residual, index) => Math.abs(residual - (residuals[index] ?? 0)));
  return Math.max(smallestDeviation, (1.4826 * median(steps)) / Math.SQRT2);
}
