import type { OverheadModelStatus } from "../api/types.gen.ts";
import { type DurationDistribution, inSequence } from "./duration-distribution.ts";
import { fewestObservations, fitPhase, type Phase, type PhaseFit } from "./phase-fits.ts";
import { logRatio, shortestRelevantSeconds } from "./robust-fit.ts";
import { describeSpread, type Spread } from "./spread.ts";

/** How much measured data stands behind a prediction. */
export type Confidence = "low" | "medium" | "high";

export interface MigrationInputs {
  /** Status of the source host's OverheadModel; absent when there is none yet. */
  source?: OverheadModelStatus | undefined;
  /** Status of the target host's OverheadModel; absent when there is none yet. */
  target?: OverheadModelStatus | undefined;
  /** Bytes of state expected to move; zero or more. */
  stateBytes: number;
  /** Bandwidth of the slower of the two hosts' links; above zero. */
  linkBytesPerSecond: number;
  /**
   * Migrations that run at once, itself included; 1 when absent. With more, what observations of shared links say of it
   * is predicted; whoever shares links out by himself leaves it away.
   */
  parallel?: number | undefined;
}

export interface MigrationPrediction extends Omit<DurationDistribution, "meanSeconds"> {
  suspendSeconds: number;
  copySeconds: number;
  resumeSeconds: number;
  /** The three phases and the preparation before and between them. */
  totalSeconds: number;
  confidence: Confidence;
}

/** What is assumed of a phase while nothing is known: conservative, since too early is better than too late. */
interface PhaseDefault {
  interceptSeconds: number;
  /** Seconds a byte, from the link's bandwidth. */
  secondsPerByte(linkBytesPerSecond: number): number;
}

/** TCP, TLS and checksums leave about this share of a link's nominal bandwidth. */
const usableLinkShare = 0.7;
const memoryBytesPerSecond = 2 ** 30;

const phaseDefaults: Record<Phase, PhaseDefault> = {
  preparation: { interceptSeconds: 2, secondsPerByte: () => 0 },
  suspend: { interceptSeconds: 0.5, secondsPerByte: () => 1 / memoryBytesPerSecond },
  copy: { interceptSeconds: 0.5, secondsPerByte: (link) => 1 / (usableLinkShare * link) },
  resume: { interceptSeconds: 1, secondsPerByte: () => 1 / memoryBytesPerSecond },
};

/** Spread, relative to the prediction, while nothing has been measured. */
const unknownRelativeSpread = 0.25;
/** Spread that phases of suspend, copy and resume are known to have (8 to 18 % in repeated identical runs). */
const usualRelativeSpread = 0.1;
/** Weight of the usual spread after three observations, in observations; it fades fast with more of them. */
const usualSpreadDegrees = 4;
/** Observations from which something can be called rare. */
const observationsToCallRare = 10;
/** Observations of each phase from which on confidence is high. */
const manyObservations = 10;
/** Predictions for more than this multiple of the largest state seen are not called certain. */
const trustedExtrapolation = 2;

const order: readonly Confidence[] = ["low", "medium", "high"];

/**
 * Predicts one migration: the suspend by the source's model, copy, resume and preparation by the target's.
 * A phase with fewer than three observations is predicted from the link's bandwidth and fixed defaults, with
 * confidence low.
 *
 * @throws RangeError when `stateBytes` is negative or no number, or `linkBytesPerSecond` is not above zero
 */
export function predictMigration(inputs: MigrationInputs): MigrationPrediction {
  const { stateBytes, linkBytesPerSecond, source, target } = inputs;
  if (!(Number.isFinite(stateBytes) && stateBytes >= 0)) {
    throw new RangeError(`stateBytes ${stateBytes} is not zero or more`);
  }
  if (!(Number.isFinite(linkBytesPerSecond) && linkBytesPerSecond > 0)) {
    throw new RangeError(`linkBytesPerSecond ${linkBytesPerSecond} is not above zero`);
  }
  const isOneModel = source === target;
  const groups = isOneModel
    ? [predictGroup(["preparation", "suspend", "copy", "resume"], target, inputs)]
    : [predictGroup(["suspend"], source, inputs), predictGroup(["preparation", "copy", "resume"], target, inputs)];
  const seconds = new Map(groups.flatMap((group) => [...group.seconds]));
  const { meanSeconds, ...total } = inSequence(groups.flatMap((group) => group.parts));
  return {
    ...total,
    suspendSeconds: seconds.get("suspend") ?? 0,
    copySeconds: seconds.get("copy") ?? 0,
    resumeSeconds: seconds.get("resume") ?? 0,
    totalSeconds: meanSeconds,
    confidence: lowest(groups.map((group) => group.confidence)),
  };
}

/** The least of several; high when there is none. */
export function lowest(confidences: readonly Confidence[]): Confidence {
  return order.find((confidence) => confidences.includes(confidence)) ?? "high";
}

interface GroupPrediction {
  seconds: Map<Phase, number>;
  /** Independent of each other. */
  parts: DurationDistribution[];
  confidence: Confidence;
}

/** Predicts the phases that one model knows. They tend to err together, so their spread is that of their sum. */
function predictGroup(
  phases: readonly Phase[],
  model: OverheadModelStatus | undefined,
  { stateBytes, linkBytesPerSecond, parallel = 1 }: MigrationInputs,
): GroupPrediction {
  const seconds = new Map<Phase, number>();
  const parts: DurationDistribution[] = [];
  const fitted: Phase[] = [];
  let fittedSeconds = 0;
  let uncertainSeconds: number[] = [];
  const confidences: Confidence[] = [];
  for (const phase of phases) {
    const assumed = phaseDefaults[phase];
    const secondsPerByte = assumed.secondsPerByte(linkBytesPerSecond);
    const fit = fitsOf(model)?.fit(phase, secondsPerByte, parallel > 1);
    const phaseSeconds = fit
      ? fit.seconds(stateBytes, parallel)
      : assumed.interceptSeconds + secondsPerByte * stateBytes * parallel;
    seconds.set(phase, phaseSeconds);
    if (fit) {
      fitted.push(phase);
      fittedSeconds += phaseSeconds;
      const uncertainty = fit.uncertainty(stateBytes, parallel);
      uncertainSeconds = longer(uncertainty, uncertainSeconds).map(
        (_, index) => (uncertainSeconds[index] ?? 0) + phaseSeconds * (uncertainty[index] ?? 0),
      );
      confidences.push(confidenceOf(fit, stateBytes));
    } else {
      parts.push(unmeasured(phaseSeconds));
      confidences.push("low");
    }
  }
  if (fitted.length > 0) {
    const spread = fitsOf(model)?.spread(fitted, linkBytesPerSecond, parallel > 1) as Spread;
    parts.push(measured(spread, fittedSeconds, uncertainSeconds));
  }
  return { seconds, parts, confidence: lowest(confidences) };
}

function longer<Item>(a: Item[], b: Item[]): Item[] {
  return a.length >= b.length ? a : b;
}

function unmeasured(meanSeconds: number): DurationDistribution {
  return {
    meanSeconds,
    standardDeviationSeconds: 0,
    systematicStandardDeviationSeconds: unknownRelativeSpread * meanSeconds,
    degreesOfFreedom: usualSpreadDegrees,
  };
}

function measured(spread: Spread, meanSeconds: number, uncertainSeconds: readonly number[]): DurationDistribution {
  const { observations, excesses } = spread;
  // The observed residuals and the usual spread, weighed by how much each is worth: three observations that happen
  // to lie on a line are no reason to expect no spread at all.
  const usualDegrees = usualSpreadDegrees * Math.min(1, fewestObservations / Math.max(1, observations)) ** 2;
  const degreesOfFreedom = usualDegrees + spread.degreesOfFreedom;
  const squares = usualDegrees * usualRelativeSpread ** 2 + spread.degreesOfFreedom * spread.relativeDeviation ** 2;
  const relativeSpread = Math.sqrt(squares / degreesOfFreedom);
  const isRareKnown = observations >= observationsToCallRare && excesses.length > 0;
  return {
    meanSeconds,
    standardDeviationSeconds: relativeSpread * Math.max(meanSeconds, shortestRelevantSeconds),
    systematicStandardDeviationSeconds: relativeSpread * Math.hypot(...uncertainSeconds),
    systematicParts: uncertainSeconds.map((seconds) => relativeSpread * seconds),
    degreesOfFreedom,
    ...(isRareKnown && {
      rareDelays: excesses.map((excess) => ({ expectedCount: 1 / observations, seconds: excess * meanSeconds })),
    }),
  };
}

function confidenceOf(fit: PhaseFit, stateBytes: number): Confidence {
  const isFarOut = stateBytes > trustedExtrapolation * fit.largestStateBytes;
  return fit.observations >= manyObservations && !isFarOut ? "high" : "medium";
}

/** The fits of one status, made when asked for. */
class StatusFits {
  readonly #model: OverheadModelStatus;
  readonly #fits = new Map<string, PhaseFit | undefined>();
  readonly #spreads = new Map<string, Spread>();

  constructor(model: OverheadModelStatus) {
    this.#model = model;
  }

  fit(phase: Phase, assumedSecondsPerByte: number, sharesLink: boolean): PhaseFit | undefined {
    const key = `${phase} ${assumedSecondsPerByte} ${sharesLink}`;
    if (this.#fits.has(key)) return this.#fits.get(key);
    // The preparation does not depend on size enough to have a form of its own.
    const form = phase === "preparation" ? "Linear" : (this.#model[phase]?.form ?? "Auto");
    const fit = fitPhase(this.#model.history ?? [], phase, { form, assumedSecondsPerByte, sharesLink });
    this.#fits.set(key, fit);
    return fit;
  }

  /** How the sum of these phases, each of which has a fit, differs from what was expected of it. */
  spread(phases: readonly Phase[], linkBytesPerSecond: number, sharesLink: boolean): Spread {
    const key = `${phases.join()} ${linkBytesPerSecond} ${sharesLink}`;
    const known = this.#spreads.get(key);
    if (known) return known;
    const fits = phases.map(
      (phase) => this.fit(phase, phaseDefaults[phase].secondsPerByte(linkBytesPerSecond), sharesLink) as PhaseFit,
    );
    const spread = spreadOfSum(fits);
    this.#spreads.set(key, spread);
    return spread;
  }
}

function spreadOfSum(fits: readonly PhaseFit[]): Spread {
  const [first, ...others] = fits as [PhaseFit, ...PhaseFit[]];
  const errors = [...first.comparisons].flatMap(([id, { measuredSeconds, expectedSeconds }]) => {
    const rest = others.map((fit) => fit.comparisons.get(id));
    if (rest.includes(undefined)) return [];
    return [
      logRatio(
        rest.reduce((sum, each) => sum + (each?.measuredSeconds ?? 0), measuredSeconds),
        rest.reduce((sum, each) => sum + (each?.expectedSeconds ?? 0), expectedSeconds),
      ),
    ];
  });
  const freeCoefficients = Math.max(...fits.map((fit) => fit.freeCoefficients));
  if (errors.length >= fewestObservations) return describeSpread(errors, freeCoefficients);
  // Never measured together: as uncertain as the least certain of them.
  return fits.map((fit) => fit.spread).reduce((a, b) => (b.relativeDeviation > a.relativeDeviation ? b : a));
}

/** Plans ask for the same few fits thousands of times. A status is never changed in place. */
const fitsByStatus = new WeakMap<OverheadModelStatus, StatusFits>();

function fitsOf(model: OverheadModelStatus | undefined): StatusFits | undefined {
  if (!model?.history) return undefined;
  const fits = fitsByStatus.get(model) ?? new StatusFits(model);
  fitsByStatus.set(model, fits);
  return fits;
}
