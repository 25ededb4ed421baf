import { compoundDelays, mergeDelays, type RareDelay } from "./rare-delay.ts";
import { studentTProbability, studentTQuantile } from "./student-t.ts";

/** How long something will take, as a distribution: Student's t around the mean, stretched by the standard deviation. */
export interface DurationDistribution {
  /** Zero or more. */
  meanSeconds: number;
  /** Of the part that differs from one migration to the next. */
  standardDeviationSeconds: number;
  /** Of the part that all predictions of one model share, since its coefficients are estimates themselves. */
  systematicStandardDeviationSeconds: number;
  /**
   * The same as independent parts, where they are known: their squares add up to its square. What is unknown of small and of
   * large migrations cancels out in part, which the standard deviations alone do not tell.
   */
  systematicParts?: readonly number[] | undefined;
  /** How well the standard deviations are known. */
  degreesOfFreedom: number;
  /** What happens seldom and then costs much more than the standard deviation; absent when it was never seen. */
  rareDelays?: readonly RareDelay[] | undefined;
}

/** Takes no time at all, for sure. */
export const noDuration: DurationDistribution = {
  meanSeconds: 0,
  standardDeviationSeconds: 0,
  systematicStandardDeviationSeconds: 0,
  degreesOfFreedom: 1e6,
};

/**
 * One after the other. What differs from one to the next evens out in part; what they share adds up in full, so that
 * many migrations under a badly known model stay uncertain.
 */
export function inSequence(parts: readonly DurationDistribution[]): DurationDistribution {
  let mean = 0;
  let variance = 0;
  let systematic = 0;
  let weight = 0;
  let weightOverDegrees = 0;
  for (const part of parts) {
    const partVariance = part.standardDeviationSeconds ** 2;
    mean += part.meanSeconds;
    variance += partVariance;
    systematic += part.systematicStandardDeviationSeconds;
    const whole = partVariance + part.systematicStandardDeviationSeconds ** 2;
    weight += whole;
    weightOverDegrees += whole / part.degreesOfFreedom;
  }
  const shared = sumOfParts(parts);
  return {
    meanSeconds: mean,
    standardDeviationSeconds: Math.sqrt(variance),
    systematicStandardDeviationSeconds: shared ? Math.hypot(...shared) : systematic,
    ...(shared && { systematicParts: shared }),
    // The weighted harmonic mean: the parts rest on the same observations, so their degrees of freedom do not add up.
    degreesOfFreedom: weight > 0 ? weight / weightOverDegrees : noDuration.degreesOfFreedom,
    ...withDelays(parts.flatMap(({ rareDelays }) => rareDelays ?? [])),
  };
}

/** Undefined where the parts are not known of all that has any. */
function sumOfParts(distributions: readonly DurationDistribution[]): number[] | undefined {
  const uncertain = distributions.filter((each) => each.systematicStandardDeviationSeconds > 0);
  if (uncertain.length === 0 || uncertain.some(({ systematicParts }) => !systematicParts)) return undefined;
  const sums: number[] = [];
  for (const { systematicParts = [] } of uncertain) {
    systematicParts.forEach((part, index) => {
      sums[index] = (sums[index] ?? 0) + part;
    });
  }
  return sums;
}

function withDelays(delays: readonly RareDelay[]): Pick<DurationDistribution, "rareDelays"> {
  return delays.length > 0 ? { rareDelays: mergeDelays(delays) } : {};
}

/** Standard deviation of everything that is unknown about it, in seconds. */
export function spreadSeconds(distribution: DurationDistribution): number {
  return Math.hypot(distribution.standardDeviationSeconds, distribution.systematicStandardDeviationSeconds);
}

/**
 * The seconds within which it is over with the given probability; zero or more.
 * @param probability above 0 and below 1
 */
export function quantileSeconds(distribution: DurationDistribution, probability: number): number {
  const deviations = studentTQuantile(probability, distribution.degreesOfFreedom);
  const ordinary = distribution.meanSeconds + deviations * spreadSeconds(distribution);
  if (!distribution.rareDelays?.length) return Math.max(0, ordinary);
  const compound = compoundDelays(distribution.rareDelays);
  // Delays only add: the quantile without them is a lower bound.
  let low = ordinary;
  let high = Math.max(ordinary, spreadSeconds(distribution), 1e-3);
  const within = (seconds: number) => withDelaysWithin(distribution, compound, seconds);
  for (let step = 0; step < 60 && within(high) < probability; step++) high *= 1.5;
  for (let step = 0; step < 40 && high - low > 1e-4 * Math.abs(high); step++) {
    const middle = (low + high) / 2;
    if (within(middle) < probability) low = middle;
    else high = middle;
  }
  return Math.max(0, high);
}

/** Probability, 0 to 1, that it is over within the given seconds. */
export function probabilityWithin(distribution: DurationDistribution, seconds: number): number {
  if (!distribution.rareDelays?.length) return ordinaryWithin(distribution, seconds);
  return withDelaysWithin(distribution, compoundDelays(distribution.rareDelays), seconds);
}

function withDelaysWithin(
  distribution: DurationDistribution,
  compound: ReturnType<typeof compoundDelays>,
  seconds: number,
): number {
  return compound.reduce(
    (sum, { probability, seconds: delay }) => sum + probability * ordinaryWithin(distribution, seconds - delay),
    0,
  );
}

function ordinaryWithin(distribution: DurationDistribution, seconds: number): number {
  const spread = spreadSeconds(distribution);
  const margin = seconds - distribution.meanSeconds;
  if (spread === 0) return margin >= 0 ? 1 : 0;
  return studentTProbability(margin / spread, distribution.degreesOfFreedom);
}
