import type { OverheadModelStatus } from "../api/types.gen.ts";
import { type DurationDistribution, inSequence } from "./duration-distribution.ts";
import { fittedSeconds, type LinearFit, shortestRelevantSeconds } from "./linear-fit.ts";
import { fitPhase, type Phase } from "./phase-fits.ts";

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
}

export interface MigrationPrediction {
  suspendSeconds: number;
  copySeconds: number;
  resumeSeconds: number;
  /** The three phases and the preparation before and between them. */
  totalSeconds: number;
  /** Of the total: how much one migration differs from another of the same size. */
  standardDeviationSeconds: number;
  /** Of the total: how far off the model itself may be; shared by all predictions of one model. */
  systematicStandardDeviationSeconds: number;
  /** How well the standard deviations are known, for Student's t. */
  degreesOfFreedom: number;
  confidence: Confidence;
}

interface PhasePrediction extends DurationDistribution {
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
/** Weight of the usual spread against the observed one, in observations. */
const usualSpreadDegrees = 4;
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
  const predict = (phase: Phase, model: OverheadModelStatus | undefined) =>
    predictPhase(phase, model, stateBytes, linkBytesPerSecond);
  const preparation = predict("preparation", target);
  const suspend = predict("suspend", source);
  const copy = predict("copy", target);
  const resume = predict("resume", target);
  const all = [preparation, suspend, copy, resume];
  const total = inSequence(all);
  return {
    suspendSeconds: suspend.meanSeconds,
    copySeconds: copy.meanSeconds,
    resumeSeconds: resume.meanSeconds,
    totalSeconds: total.meanSeconds,
    standardDeviationSeconds: total.standardDeviationSeconds,
    systematicStandardDeviationSeconds: total.systematicStandardDeviationSeconds,
    degreesOfFreedom: total.degreesOfFreedom,
    confidence: lowest(all.map((phase) => phase.confidence)),
  };
}

/** The least of several; high when there is none. */
export function lowest(confidences: readonly Confidence[]): Confidence {
  return order.find((confidence) => confidences.includes(confidence)) ?? "high";
}

function predictPhase(
  phase: Phase,
  model: OverheadModelStatus | undefined,
  stateBytes: number,
  linkBytesPerSecond: number,
): PhasePrediction {
  const assumed = phaseDefaults[phase];
  const secondsPerByte = assumed.secondsPerByte(linkBytesPerSecond);
  const fit = fitOf(model, phase, secondsPerByte);
  if (!fit) {
    const meanSeconds = fittedSeconds({ interceptSeconds: assumed.interceptSeconds, secondsPerByte }, stateBytes);
    return {
      meanSeconds,
      standardDeviationSeconds: 0,
      systematicStandardDeviationSeconds: unknownRelativeSpread * meanSeconds,
      degreesOfFreedom: usualSpreadDegrees,
      confidence: "low",
    };
  }
  const meanSeconds = fittedSeconds(fit, stateBytes);
  const degreesOfFreedom = usualSpreadDegrees + fit.observations - fit.freeCoefficients;
  // The observed residuals and the usual spread, weighed by how much each is worth: three observations that happen
  // to lie on a line are no reason to expect no spread at all.
  const relativeSpread = Math.sqrt(
    (usualSpreadDegrees * usualRelativeSpread ** 2 + fit.squaredRelativeResiduals) / degreesOfFreedom,
  );
  const standardDeviationSeconds = relativeSpread * Math.max(meanSeconds, shortestRelevantSeconds);
  return {
    meanSeconds,
    standardDeviationSeconds,
    systematicStandardDeviationSeconds: standardDeviationSeconds * Math.sqrt(fit.leverage(stateBytes)),
    degreesOfFreedom,
    confidence: confidenceOf(fit, stateBytes),
  };
}

function confidenceOf(fit: LinearFit, stateBytes: number): Confidence {
  const isFarOut = stateBytes > trustedExtrapolation * fit.largestStateBytes;
  return fit.observations >= manyObservations && !isFarOut ? "high" : "medium";
}

/** Plans ask for the same few fits thousands of times. A status is never changed in place. */
const fits = new WeakMap<OverheadModelStatus, Map<string, LinearFit | undefined>>();

function fitOf(model: OverheadModelStatus | undefined, phase: Phase, secondsPerByte: number): LinearFit | undefined {
  if (!model?.history) return undefined;
  const known = fits.get(model) ?? new Map<string, LinearFit | undefined>();
  fits.set(model, known);
  const key = `${phase} ${secondsPerByte}`;
  if (!known.has(key)) known.set(key, fitPhase(model.history, phase, secondsPerByte));
  return known.get(key);
}
