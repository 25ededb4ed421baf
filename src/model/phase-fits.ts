import type { OverheadModelStatus } from "../api/types.gen.ts";
import { fitLine, type LinearFit, type Point } from "./linear-fit.ts";

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

/**
 * Fits one phase to a model's history.
 * @param assumedSecondsPerByte the slope when all observed sizes are alike
 * @returns undefined when there are too few observations
 */
export function fitPhase(
  history: readonly Observation[],
  phase: Phase,
  assumedSecondsPerByte: number,
): LinearFit | undefined {
  const usable = history.filter((observation) => belongsToPhase(observation, phase));
  // Migrations that shared a link took longer than one alone does; they are used only as long as there is nothing better.
  const alone = pointsOf(
    usable.filter((observation) => (observation.parallel ?? 1) <= 1),
    phase,
  );
  const points = alone.length >= fewestObservations ? alone : pointsOf(usable, phase);
  return points.length >= fewestObservations ? fitLine(points, assumedSecondsPerByte) : undefined;
}

function pointsOf(observations: readonly Observation[], phase: Phase): Point[] {
  return observations.flatMap((observation) => {
    const milliseconds = measuredMilliseconds(observation, phase);
    const { stateBytes } = observation;
    if (milliseconds === undefined || stateBytes === undefined || !isMeasure(stateBytes)) return [];
    return [{ stateBytes, seconds: milliseconds / 1000 }];
  });
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
