import type { OverheadModelSpec, OverheadModelStatus } from "../api/types.gen.ts";
import { belongsToPhase, fewestObservations, fitPhase, type Observation, type PhaseFit } from "./phase-fits.ts";
import type { Form } from "./shapes.ts";

type PhaseStatus = NonNullable<OverheadModelStatus["suspend"]>;
type ErrorStatus = Pick<PhaseStatus, "mape" | "p90" | "bias">;
type TimedPhase = "suspend" | "copy" | "resume";

const defaultHistorySize = 100;
/** The bound of the list in the resource's schema. */
const longestHistory = 200;
const mebibyte = 2 ** 20;
/** Drift below this share is nobody's business. */
const noteworthyDrift = 0.1;

/**
 * The model after more finished migrations. An id that was learned from before changes nothing, also when it has
 * already faded from the history. Conditions and `observedGeneration` stay as they are.
 */
export function observe(
  status: OverheadModelStatus,
  observations: readonly Observation[],
  spec: OverheadModelSpec = {},
): OverheadModelStatus {
  let history = status.history ?? [];
  let observationCount = status.observationCount ?? 0;
  for (const observation of observations) {
    if (history.some(({ id }) => id === observation.id)) continue;
    const kept = latest([...history, observation].sort(byAge), spec.historySize ?? defaultHistorySize);
    // Older than everything that is kept: either seen and faded, or too old to matter.
    if (!kept.includes(observation)) continue;
    history = kept;
    observationCount++;
  }
  const form = spec.form ?? "Auto";
  const isNew = history !== status.history && history.length > 0;
  if (!isNew && (form === "Auto" || status.copy?.form === undefined || status.copy.form === form)) return status;
  return summarize({ ...status, history, observationCount }, form);
}

/** A phase that takes longer, or less, than it did. */
interface Drift {
  phase: TimedPhase;
  /** Of the older half of the history; negative when it got faster. */
  share: number;
  observations: number;
}

/** The phases that have drifted so far that people should know. */
export function driftsOf(status: OverheadModelStatus): Drift[] {
  return (["suspend", "copy", "resume"] as const).flatMap((phase) => {
    const { drift, observations = 0 } = status[phase] ?? {};
    const share = Number.parseFloat(drift ?? "0") / 100;
    return Math.abs(share) >= noteworthyDrift ? [{ phase, share, observations }] : [];
  });
}

/** Fits the history anew and scores the predictions in it. */
function summarize(status: OverheadModelStatus, form: Form | "Auto"): OverheadModelStatus {
  const history = status.history ?? [];
  // The first predictions came from defaults, not from this model: they are no measure of it.
  const firsts = Math.max(0, fewestObservations - ((status.observationCount ?? 0) - history.length));
  const scored = history.slice(firsts);
  const copy = phaseStatus(history, scored, "copy", form);
  const rate = copyRate(copy);
  const { copyRate: _, ...rest } = status;
  return {
    ...rest,
    ...(rate !== undefined && { copyRate: rate }),
    suspend: phaseStatus(history, scored, "suspend", form),
    copy,
    resume: phaseStatus(history, scored, "resume", form),
    total: totalStatus(scored),
  };
}

function phaseStatus(
  history: readonly Observation[],
  scored: readonly Observation[],
  phase: TimedPhase,
  form: Form | "Auto",
): PhaseStatus {
  const fit = fitPhase(history, phase, { form, assumedSecondsPerByte: 0 });
  const relevant = scored.filter((observation) => belongsToPhase(observation, phase));
  return {
    ...(fit && describeFit(fit)),
    observations: fit?.observations ?? history.filter((observation) => belongsToPhase(observation, phase)).length,
    ...errorsOf(comparisons(relevant, phase)),
  };
}

/** The curve as it is now, for one migration at a time. */
function describeFit(fit: PhaseFit): Omit<PhaseStatus, "observations"> {
  const size = Math.max(mebibyte, fit.largestStateBytes);
  const [none, half, whole] = [fit.seconds(0), fit.seconds(size / 2), fit.seconds(size)];
  const curvature = fit.form === "Polynomial" ? Math.max(0, (2 * (whole - 2 * half + none)) / size ** 2) : 0;
  const slope = Math.max(0, (whole - none) / size - curvature * size);
  const expected = mean([...fit.comparisons.values()].map(({ expectedSeconds }) => expectedSeconds));
  return {
    form: fit.form,
    interceptMicroseconds: Math.round(none * 1e6),
    nanosecondsPerMebibyte: Math.round(slope * mebibyte * 1e9),
    ...(fit.form === "Polynomial" && { nanosecondsPerSquareMebibyte: Math.round(curvature * mebibyte ** 2 * 1e9) }),
    residualMicroseconds: Math.round(fit.spread.relativeDeviation * expected * 1e6),
    drift: percent(fit.drift),
  };
}

function totalStatus(scored: readonly Observation[]): NonNullable<OverheadModelStatus["total"]> {
  const compared = comparisons(scored, "total");
  const squares = compared.reduce((sum, { predicted, measured }) => sum + (predicted - measured) ** 2, 0);
  return {
    observations: compared.length,
    ...(compared.length > 0 && { residualMicroseconds: Math.round(Math.sqrt(squares / compared.length) * 1000) }),
    ...errorsOf(compared),
  };
}

interface Comparison {
  /** Milliseconds. */
  predicted: number;
  measured: number;
}

/** Each observation against the prediction that was recorded before it. */
function comparisons(observations: readonly Observation[], phase: TimedPhase | "total"): Comparison[] {
  return observations.flatMap(({ predictedMilliseconds, measuredMilliseconds }) => {
    const predicted = predictedMilliseconds?.[phase];
    const measured = measuredMilliseconds?.[phase];
    if (predicted === undefined || measured === undefined) return [];
    if (!Number.isFinite(predicted) || !Number.isFinite(measured) || measured < 0) return [];
    return [{ predicted, measured }];
  });
}

function errorsOf(compared: readonly Comparison[]): ErrorStatus {
  if (compared.length === 0) return {};
  const relative = compared.map(({ predicted, measured }) => (predicted - measured) / Math.max(1, measured));
  const absolute = relative.map(Math.abs).sort((a, b) => a - b);
  return {
    mape: percent(mean(absolute)),
    p90: percent(absolute[Math.ceil(0.9 * absolute.length) - 1] ?? 0),
    bias: percent(mean(relative)),
  };
}

/** The latest `size` observations of the suspend and of the phases on the target each; oldest first. */
function latest(history: readonly Observation[], size: number): Observation[] {
  const kept = new Set<Observation>();
  for (const phase of ["suspend", "copy"] as const) {
    const relevant = history.filter((observation) => belongsToPhase(observation, phase));
    for (const observation of relevant.slice(-size)) kept.add(observation);
  }
  return history.filter((observation) => kept.has(observation)).slice(-longestHistory);
}

function byAge(a: Observation, b: Observation): number {
  return finishedMilliseconds(a) - finishedMilliseconds(b) || (a.id < b.id ? -1 : 1);
}

function finishedMilliseconds({ finishedAt }: Observation): number {
  const milliseconds = Date.parse(finishedAt ?? "");
  return Number.isNaN(milliseconds) ? 0 : milliseconds;
}

function copyRate(copy: PhaseStatus): string | undefined {
  const nanoseconds = copy.nanosecondsPerMebibyte;
  if (!nanoseconds) return undefined;
  return `${Math.round((mebibyte / nanoseconds) * 1000)} MB/s`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}
