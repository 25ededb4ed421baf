import { type DurationDistribution, inSequence, noDuration } from "../model/duration-distribution.ts";
import type { MigrationPrediction } from "../model/predict-migration.ts";
import { assumedContention, type Contention } from "./contention.ts";
import { type FluidJob, FluidSimulation } from "./fluid-simulation.ts";
import { normalDraws } from "./normal-draws.ts";

/** One migration to be timed. */
export interface ScheduledMove {
  from: string;
  to: string;
  prediction: MigrationPrediction;
  /** Seconds since it began; absent when it has not. */
  elapsedSeconds?: number;
  /** Absent is what is assumed while nothing was seen. */
  contention?: Contention;
  guest?: { uid: string };
  /** VMs, by uid, that have to have moved before this one begins. */
  waitsFor?: readonly string[];
}

/** Between two migrations: the first one's end is seen, the next one is told to move, its agents are asked. */
const handling: DurationDistribution = {
  meanSeconds: 0.3,
  standardDeviationSeconds: 0.15,
  systematicStandardDeviationSeconds: 0,
  degreesOfFreedom: 1e6,
};
/** A migration that is overdue is taken to need this share of its predicted time yet. */
const overdueShare = 0.1;
/** Migrations simulated for one distribution; many moves even out by themselves and need fewer draws. */
const simulatedMigrations = 12_000;
const fewestDraws = 32;
const mostDraws = 400;
/** However lucky, a migration takes this share of its predicted time. */
const shortestShare = 0.05;

interface Job extends FluidJob {
  duration: DurationDistribution;
}

/**
 * How long it takes to carry out the moves in this order, so many at once, as a distribution. Migrations that share a
 * host slow each other down as their contention says. No moves take no time.
 * @param parallel 1 or more
 */
export function predictSchedule(moves: readonly ScheduledMove[], parallel: number): DurationDistribution {
  if (moves.length === 0) return noDuration;
  const jobs = jobsOf(moves);
  const sequence = inSequence([...jobs.map((job) => job.duration), handling]);
  const slots = Math.max(1, Math.min(parallel, jobs.length));
  if (slots === 1) return sequence;
  const simulation = new FluidSimulation(jobs);
  const { meanSeconds, variance } = sample(simulation, jobs, slots);
  const shifted = factorsOf(jobs, ({ duration }) => duration.systematicStandardDeviationSeconds);
  return {
    meanSeconds: meanSeconds + handling.meanSeconds,
    standardDeviationSeconds: Math.hypot(Math.sqrt(variance), handling.standardDeviationSeconds),
    // What all predictions of a model share is off for all at once.
    systematicStandardDeviationSeconds: Math.max(
      0,
      simulation.endSeconds(slots, shifted) - simulation.endSeconds(slots),
    ),
    degreesOfFreedom: sequence.degreesOfFreedom,
    // One that hangs holds up the whole, whatever runs beside it.
    ...(sequence.rareDelays && { rareDelays: sequence.rareDelays }),
  };
}

/** Seconds that the moves take when each takes just what is predicted. */
export function expectedSeconds(moves: readonly ScheduledMove[], parallel: number): number {
  return moves.length === 0 ? 0 : new FluidSimulation(jobsOf(moves)).endSeconds(Math.max(1, parallel));
}

/** Mean and variance of the end, over draws in which every migration is off by itself. The same draws every time. */
function sample(simulation: FluidSimulation, jobs: readonly Job[], slots: number) {
  const draws = Math.min(mostDraws, Math.max(fewestDraws, Math.round(simulatedMigrations / jobs.length)));
  const normal = normalDraws();
  const ends: number[] = [];
  for (let pair = 0; pair < draws / 2; pair++) {
    const deviations = jobs.map(() => normal());
    // Each draw with its mirror image, so that what adds up evens out exactly.
    for (const sign of [1, -1]) {
      const factors = factorsOf(
        jobs,
        ({ duration }, index) => sign * (deviations[index] ?? 0) * duration.standardDeviationSeconds,
      );
      ends.push(simulation.endSeconds(slots, factors));
    }
  }
  const meanSeconds = ends.reduce((sum, end) => sum + end, 0) / ends.length;
  const variance = ends.reduce((sum, end) => sum + (end - meanSeconds) ** 2, 0) / (ends.length - 1);
  return { meanSeconds, variance };
}

function factorsOf(jobs: readonly Job[], offSeconds: (job: Job, index: number) => number): Float64Array {
  return Float64Array.from(jobs, (job, index) => {
    const { meanSeconds } = job.duration;
    return meanSeconds > 0 ? Math.max(shortestShare, 1 + offSeconds(job, index) / meanSeconds) : 1;
  });
}

function jobsOf(moves: readonly ScheduledMove[]): Job[] {
  // What runs already comes first: it has its slot.
  const ordered = [
    ...moves.filter((move) => move.elapsedSeconds !== undefined),
    ...moves.filter((move) => move.elapsedSeconds === undefined),
  ];
  const places = new Map(ordered.map((move, index) => [move.guest?.uid, index]));
  return ordered.map((move, index) => ({
    ...jobOf(move),
    waitsFor: (move.waitsFor ?? []).flatMap((uid) => {
      const place = places.get(uid);
      return place === undefined || place === index ? [] : [place];
    }),
  }));
}

function jobOf({ from, to, prediction, elapsedSeconds = 0, contention = assumedContention }: ScheduledMove) {
  const { totalSeconds, suspendSeconds: suspend, copySeconds: copy, resumeSeconds: resume } = prediction;
  const isNew = elapsedSeconds === 0;
  const left = Math.max(totalSeconds - elapsedSeconds, overdueShare * totalSeconds);
  const own = { ...prediction, meanSeconds: left };
  const duration = isNew ? inSequence([own, handling]) : inSequence([own]);
  const seconds = { preparation: Math.max(0, totalSeconds - suspend - copy - resume), suspend, copy, resume };
  let over = totalSeconds - left;
  for (const phase of ["preparation", "suspend", "copy", "resume"] as const) {
    const passed = Math.min(over, seconds[phase]);
    seconds[phase] -= passed;
    over -= passed;
  }
  if (isNew) seconds.preparation += handling.meanSeconds;
  return { from, to, seconds, contention, duration };
}
