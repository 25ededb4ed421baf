/** One measured phase. */
export interface Point {
  stateBytes: number;
  seconds: number;
}

/** Seconds = intercept + slope × state bytes, and what is needed to say how far off that may be. */
export interface LinearFit {
  /** Zero or more. */
  interceptSeconds: number;
  /** Zero or more. */
  secondsPerByte: number;
  observations: number;
  /** Coefficients estimated from the observations: 1 or 2. */
  freeCoefficients: number;
  /** Standard deviation of the residuals in seconds, corrected for the coefficients. */
  residualSeconds: number;
  /** Sum of the squared residuals, each divided by the fitted value. */
  squaredRelativeResiduals: number;
  /** Largest state among the observations. */
  largestStateBytes: number;
  /** Variance of the fitted value at the given state, as a multiple of the residual variance. */
  leverage(stateBytes: number): number;
}

/** Sizes that differ by less than this share of their mean say nothing about the slope. */
const smallestRelativeSpread = 0.05;

/** Keeps relative residuals of phases that take next to no time finite. */
export const shortestRelevantSeconds = 0.02;

/**
 * Least squares with intercept, both coefficients zero or more: a phase never gets shorter with more state.
 *
 * @param points at least one
 * @param assumedSecondsPerByte the slope to use when the sizes do not differ enough to tell it
 */
export function fitLine(points: readonly Point[], assumedSecondsPerByte: number): LinearFit {
  const count = points.length;
  const meanBytes = points.reduce((sum, point) => sum + point.stateBytes, 0) / count;
  const meanSeconds = points.reduce((sum, point) => sum + point.seconds, 0) / count;
  const spread = points.reduce((sum, point) => sum + (point.stateBytes - meanBytes) ** 2, 0);
  const covariance = points.reduce(
    (sum, point) => sum + (point.stateBytes - meanBytes) * (point.seconds - meanSeconds),
    0,
  );
  const squares = points.reduce((sum, point) => sum + point.stateBytes ** 2, 0);

  const slopeIsKnown = Math.sqrt(spread / count) > smallestRelativeSpread * meanBytes;
  const freeSlope = slopeIsKnown ? covariance / spread : assumedSecondsPerByte;
  const freeIntercept = meanSeconds - freeSlope * meanBytes;

  if (freeSlope <= 0) {
    return describe(points, { interceptSeconds: meanSeconds, secondsPerByte: 0, freeCoefficients: 1 }, () => 1 / count);
  }
  if (freeIntercept < 0) {
    const secondsPerByte = points.reduce((sum, point) => sum + point.stateBytes * point.seconds, 0) / squares;
    const line = { interceptSeconds: 0, secondsPerByte, freeCoefficients: 1 };
    return describe(points, line, (stateBytes) => stateBytes ** 2 / squares);
  }
  const line = { interceptSeconds: freeIntercept, secondsPerByte: freeSlope, freeCoefficients: slopeIsKnown ? 2 : 1 };
  const leverage = slopeIsKnown
    ? (stateBytes: number) => 1 / count + (stateBytes - meanBytes) ** 2 / spread
    : // An assumed slope is trusted as little as if it had been seen between zero and the mean once.
      (stateBytes: number) => 1 / count + ((stateBytes - meanBytes) / Math.max(1, meanBytes)) ** 2;
  return describe(points, line, leverage);
}

/** Seconds by the fit; zero or more. */
export function fittedSeconds(
  line: Pick<LinearFit, "interceptSeconds" | "secondsPerByte">,
  stateBytes: number,
): number {
  return line.interceptSeconds + line.secondsPerByte * stateBytes;
}

function describe(
  points: readonly Point[],
  line: Pick<LinearFit, "interceptSeconds" | "secondsPerByte" | "freeCoefficients">,
  leverage: (stateBytes: number) => number,
): LinearFit {
  let squared = 0;
  let squaredRelative = 0;
  for (const { stateBytes, seconds } of points) {
    const fitted = fittedSeconds(line, stateBytes);
    squared += (seconds - fitted) ** 2;
    squaredRelative += ((seconds - fitted) / Math.max(fitted, shortestRelevantSeconds)) ** 2;
  }
  return {
    ...line,
    observations: points.length,
    residualSeconds: Math.sqrt(squared / Math.max(1, points.length - line.freeCoefficients)),
    squaredRelativeResiduals: squaredRelative,
    largestStateBytes: points.reduce((largest, point) => Math.max(largest, point.stateBytes), 0),
    leverage,
  };
}
