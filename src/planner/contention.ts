import type { OverheadModelStatus } from "../api/types.gen.ts";
import { belongsToPhase, fewestObservations, type Observation, type Phase } from "../model/phase-fits.ts";
import { predictMigration } from "../model/predict-migration.ts";

/**
 * How much longer each phase takes for every further migration that does the same on the same host, as a share of the
 * time it takes alone: 0 is no contention, 1 an even share of something that one alone fills, above 1 is worse than
 * one after another.
 */
export type Contention = Readonly<Record<Phase, number>>;

/** What is assumed while nothing was seen: copies share their links, nothing else is short. */
export const assumedContention: Contention = { preparation: 0, suspend: 0, copy: 1, resume: 0 };

/** Weight of the assumption, in observations. */
const assumedObservations = 2;
const mostContention = 4;
/** Phases shorter than this are all noise. */
const shortestSeconds = 0.02;
/** Counts only where all that was seen is of one size. */
const anyLinkBytesPerSecond = 125e6;

/** Contention of a migration: the source's for the suspend, the target's for the other phases. */
export function contentionBetween(
  source: OverheadModelStatus | undefined,
  target: OverheadModelStatus | undefined,
): Contention {
  return { ...learned(target), suspend: learned(source).suspend };
}

/** A status is never changed in place. */
const known = new WeakMap<OverheadModelStatus, Contention>();

function learned(model: OverheadModelStatus | undefined): Contention {
  if (!model?.history?.some(isShared)) return assumedContention;
  const before = known.get(model);
  if (before) return before;
  const contention = {
    ...assumedContention,
    suspend: phaseContention(model.history, "suspend"),
    copy: phaseContention(model.history, "copy"),
    resume: phaseContention(model.history, "resume"),
  };
  known.set(model, contention);
  return contention;
}

/** The median of what was seen and what is assumed: one migration that hung does not move it. */
function phaseContention(history: readonly Observation[], phase: "suspend" | "copy" | "resume"): number {
  const relevant = history.filter((observation) => belongsToPhase(observation, phase));
  const alone = { history: relevant.filter((observation) => !isShared(observation)) };
  if (alone.history.length < fewestObservations) return assumedContention[phase];
  const seen = relevant.filter(isShared).flatMap(({ stateBytes, parallel = 1, measuredMilliseconds }) => {
    const milliseconds = measuredMilliseconds?.[phase] ?? Number.NaN;
    if (stateBytes === undefined || !Number.isFinite(milliseconds)) return [];
    const inputs = { source: alone, target: alone, stateBytes, linkBytesPerSecond: anyLinkBytesPerSecond };
    const aloneSeconds = predictMigration(inputs)[`${phase}Seconds`];
    if (aloneSeconds < shortestSeconds) return [];
    return [(milliseconds / 1000 / aloneSeconds - 1) / (parallel - 1)];
  });
  const assumed = Array.from({ length: assumedObservations }, () => assumedContention[phase]);
  return Math.min(mostContention, Math.max(0, median([...seen, ...assumed])));
}

function isShared({ parallel = 1 }: Observation): boolean {
  return parallel > 1;
}

/** @param values at least one */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}
