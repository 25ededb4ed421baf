import type { OverheadModelStatus } from "../api/types.gen.ts";
import { type DurationFit, type FitOptions, fitDurations } from "./duration-fit.ts";
import type { DurationSample } from "./shapes.ts";

/** `preparation` is what the measured total holds besides the three phases. */
export type Phase = "preparation" | "suspend" | "copy" | "resume";

/** One finished migration as an OverheadModel keeps it. */
export type Observation = NonNullable<OverheadModelStatus["history"]>[number];

/** Below this many observations of a phase the fixed defaults are used. */
export const fewestObservations = 3;

/** Suspend is the source's doing; copy, resume and the preparation are the target's. */
export function belongsToPhase(observation: Observation, phase: Phase): boolean {
  const role = observation.role ?? "Both";
  return role === "Both" || (phase === "suspend" ? role === "Source" : role === "Target");
}

/** One phase's fit, and what it says of each observation that it rests on. */
export interface PhaseFit extends DurationFit {
  /** By observation id. */
  comparisons: ReadonlyMap<string, { measuredSeconds: number; expectedSeconds: number }>;
}

export interface PhaseFitOptions extends FitOptions {
  /** Whether migrations that shared a link are asked about. Without, they are used only while there is nothing better. */
  sharesLink?: boolean;
}

/**
 * Fits one phase to a model's history.
 * @returns undefined when there are too few observations
 */
export function fitPhase(
  history: readonly Observation[],
  phase: Phase,
  { sharesLink = false, ...options }: PhaseFitOptions,
): PhaseFit | undefined {
  const usable = history.filter((observation) => belongsToPhase(observation, phase));
  const all = usable.flatMap((observation) => sampleOf(observation, phase) ?? []);
  const alone = all.filter(({ parallel }) => parallel === 1);
  const samples = alone.length >= fewestObservations && !sharesLink ? alone : all;
  if (samples.length < fewestObservations) return undefined;
  const fit = fitDurations(samples, options);
  const comparisons = new Map(
    samples.map(({ id, seconds }, index) => [
      id,
      { measuredSeconds: seconds, expectedSeconds: fit.expectedSeconds[index] ?? 0 },
    ]),
  );
  return { ...fit, comparisons };
}

function sampleOf(observation: Observation, phase: Phase): (DurationSample & { id: string }) | undefined {
  const milliseconds = measuredMilliseconds(observation, phase);
  const { id, stateBytes, parallel } = observation;
  if (milliseconds === undefined || stateBytes === undefined || !isMeasure(stateBytes)) return undefined;
  return { id, stateBytes, seconds: milliseconds / 1000, parallel: Math.max(1, parallel ?? 1) };
}

/** Milliseconds of a phase; undefined when not measured or nonsense. */
function measuredMilliseconds({ measuredMilliseconds }: Observation, phase: Phase): number | undefined {
  const { suspend, copy, resume, total } = measuredMilliseconds ?? {};
  const milliseconds =
    phase === "preparation" ? remainder(total, suspend, copy, resume) : measuredMilliseconds?.[phase];
  return milliseconds !== undefined && isMeasure(milliseconds) ? milliseconds : undefined;
}

function remainder(total: number | undefined, ...parts: (number | undefined)[]): number | undefined {
  if (total === undefined || parts.includes(undefined)) return undefined;
  // Agent and operator measure by their own clocks: a little less than nothing is nothing.
  return Math.max(
    0,
    parts.reduce<number>((left, part) => left - (part ?? 0), total),
  );
}

function isMeasure(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}
