import { type DurationDistribution, inSequence, noDuration } from "../model/duration-distribution.ts";
import type { MigrationPrediction } from "../model/predict-migration.ts";

/** One migration to be timed. */
export interface ScheduledMove {
  from: string;
  to: string;
  prediction: MigrationPrediction;
  /** Seconds since it began; absent when it has not. */
  elapsedSeconds?: number;
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

interface Job {
  from: string;
  to: string;
  /** Seconds of work that nothing slows down, then of copying, which shares links. */
  ownSeconds: number;
  copySeconds: number;
  duration: DurationDistribution;
  slot: number;
}

/**
 * How long it takes to carry out the moves in this order, so many at once, as a distribution. Copies that share a
 * source or a target share its link evenly. No moves take no time.
 * @param parallel 1 or more
 */
export function predictSchedule(moves: readonly ScheduledMove[], parallel: number): DurationDistribution {
  if (moves.length === 0) return noDuration;
  // What runs already comes first: it has its slot.
  const ordered = [
    ...moves.filter((move) => move.elapsedSeconds !== undefined),
    ...moves.filter((move) => move.elapsedSeconds === undefined),
  ];
  const jobs = ordered.map(jobOf);
  const slots = Math.max(1, Math.min(parallel, jobs.length));
  if (slots === 1) return inSequence([...jobs.map((job) => job.duration), handling]);
  const meanSeconds = simulate(jobs, slots) + handling.meanSeconds;
  return { ...widestSlot(jobs, slots), meanSeconds };
}

function jobOf({ from, to, prediction, elapsedSeconds = 0 }: ScheduledMove): Job {
  const isNew = elapsedSeconds === 0;
  const { totalSeconds } = prediction;
  const left = Math.max(totalSeconds - elapsedSeconds, overdueShare * totalSeconds);
  const own = { ...prediction, meanSeconds: left };
  const duration = isNew ? inSequence([own, handling]) : inSequence([own]);
  const copySeconds = Math.min(prediction.copySeconds, left);
  return { from, to, copySeconds, ownSeconds: duration.meanSeconds - copySeconds, duration, slot: 0 };
}

/** Runs the jobs through the slots and returns when the last one ends; notes each job's slot. */
function simulate(jobs: readonly Job[], slots: number): number {
  const waiting = [...jobs];
  const free = Array.from({ length: slots }, (_, index) => index);
  const running: { job: Job; own: number; copy: number }[] = [];
  let now = 0;
  while (waiting.length > 0 || running.length > 0) {
    while (free.length > 0 && waiting.length > 0) {
      const job = waiting.shift() as Job;
      job.slot = free.shift() as number;
      running.push({ job, own: job.ownSeconds, copy: job.copySeconds });
    }
    const copying = running.filter(({ own }) => own <= 0);
    const share = ({ job }: { job: Job }) =>
      Math.max(
        copying.filter((other) => other.job.from === job.from).length,
        copying.filter((other) => other.job.to === job.to).length,
      );
    const steps = running.map((entry) => (entry.own > 0 ? entry.own : entry.copy * share(entry)));
    const step = Math.max(0, Math.min(...steps));
    const rates = running.map((entry) => (entry.own > 0 ? 1 : 1 / share(entry)));
    running.forEach((entry, index) => {
      const work = step * (rates[index] ?? 1);
      if (entry.own > 0) entry.own = settled(entry.own - work);
      else entry.copy = settled(entry.copy - work);
    });
    now += step;
    for (let index = running.length - 1; index >= 0; index--) {
      const entry = running[index];
      if (!entry || entry.own > 0 || entry.copy > 0) continue;
      free.push(entry.job.slot);
      running.splice(index, 1);
    }
    free.sort((a, b) => a - b);
  }
  return now;
}

/** Rounding leaves specks of work that would never end. */
function settled(seconds: number): number {
  return seconds < 1e-9 ? 0 : seconds;
}

/** The spread of the slot whose jobs are the least certain: the total is no more certain than that. */
function widestSlot(jobs: readonly Job[], slots: number): DurationDistribution {
  const bySlot = Array.from({ length: slots }, (_, slot) =>
    inSequence(jobs.filter((job) => job.slot === slot).map((job) => job.duration)),
  );
  const variance = ({ standardDeviationSeconds, systematicStandardDeviationSeconds }: DurationDistribution) =>
    standardDeviationSeconds ** 2 + systematicStandardDeviationSeconds ** 2;
  return bySlot.reduce((widest, slot) => (variance(slot) > variance(widest) ? slot : widest), noDuration);
}
