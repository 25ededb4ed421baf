import { type DurationDistribution, probabilityWithin, quantileSeconds } from "../model/duration-distribution.ts";
import type { ReservationRequest } from "./inputs.ts";
import { expectedSeconds, predictSchedule, type ScheduledMove } from "./schedule.ts";

/** What so many migrations at once would mean. */
export interface ParallelChoice<Move extends ScheduledMove = ScheduledMove> {
  parallelMigrations: number;
  /** In the order in which they begin. */
  moves: readonly Move[];
  duration: DurationDistribution;
  /** The quantile of the duration that the on-time target asks for. */
  allowanceSeconds: number;
  /** Probability, 0 to 1, of being done by the window's start when it begins now. */
  onTimeProbability: number;
}

/** Degrees that are tried. The more at once, the longer every single VM takes. */
const degrees = [1, 2, 3, 4, 6, 8];
/** A degree in use is kept until being late is so many times as likely as was accepted: noise is no reason to change. */
const toleratedLateness = 3;
/** A lower degree than the one in use is taken only with this much time to spare. */
const spareTime = 1.5;
/** Where the target is out of reach, more at once has to gain this share of the time. */
const worthwhileGain = 0.05;

/**
 * How many migrations at once, and in which order: what the user fixed, else the fewest that are on time with the
 * wanted probability when they begin now, else what is over first. The choices that were looked at come with it.
 * @param moves longest first
 */
export function chooseParallelism<Move extends ScheduledMove>(
  moves: readonly Move[],
  request: Pick<
    ReservationRequest,
    "windowStart" | "onTimeTarget" | "parallelMigrations" | "presentParallelMigrations"
  >,
  now: Date,
): { chosen: ParallelChoice<Move>; considered: ParallelChoice<Move>[] } {
  const availableSeconds = (request.windowStart.getTime() - now.getTime()) / 1000;
  const evaluate = (parallelMigrations: number): ParallelChoice<Move> => {
    const ordered = orderedFor(moves, parallelMigrations);
    const duration = predictSchedule(ordered, parallelMigrations);
    return {
      parallelMigrations,
      moves: ordered,
      duration,
      allowanceSeconds: quantileSeconds(duration, request.onTimeTarget),
      onTimeProbability: probabilityWithin(duration, availableSeconds),
    };
  };
  if (request.parallelMigrations !== undefined) {
    const chosen = evaluate(request.parallelMigrations);
    return { chosen, considered: [chosen] };
  }
  const considered: ParallelChoice<Move>[] = [];
  for (const degree of degreesFor(moves.length, request.presentParallelMigrations)) {
    const choice = evaluate(degree);
    considered.push(choice);
    if (isEnough(choice, request, availableSeconds)) return { chosen: choice, considered };
  }
  return { chosen: soonest(considered), considered };
}

function degreesFor(moves: number, present: number | undefined): number[] {
  const all = present === undefined ? degrees : [...new Set([...degrees, present])].sort((a, b) => a - b);
  return all.filter((degree) => degree === 1 || degree <= moves);
}

function isEnough(
  { parallelMigrations, allowanceSeconds, onTimeProbability }: ParallelChoice,
  {
    onTimeTarget,
    presentParallelMigrations: present,
  }: Pick<ReservationRequest, "onTimeTarget" | "presentParallelMigrations">,
  availableSeconds: number,
): boolean {
  if (present === undefined || parallelMigrations > present) return allowanceSeconds <= availableSeconds;
  if (parallelMigrations < present) return spareTime * allowanceSeconds <= availableSeconds;
  return 1 - onTimeProbability <= toleratedLateness * (1 - onTimeTarget);
}

function soonest<Move extends ScheduledMove>(considered: readonly ParallelChoice<Move>[]): ParallelChoice<Move> {
  return considered.reduce((best, one) =>
    one.allowanceSeconds < (1 - worthwhileGain) * best.allowanceSeconds ? one : best,
  );
}

/** The longest first, so that none is left for the end; or spread over the hosts, when that is over sooner. */
function orderedFor<Move extends ScheduledMove>(moves: readonly Move[], parallel: number): readonly Move[] {
  if (parallel === 1) return moves;
  const alternating = spreadOverHosts(moves, parallel);
  const gain = 1 - expectedSeconds(alternating, parallel) / expectedSeconds(moves, parallel);
  return gain > worthwhileGain ? alternating : moves;
}

/** The longest first, but those next to each other share no host as far as possible. */
function spreadOverHosts<Move extends ScheduledMove>(moves: readonly Move[], parallel: number): readonly Move[] {
  const waiting = [...moves];
  const ordered: Move[] = [];
  while (waiting.length > 0) {
    const beside = ordered.slice(1 - parallel);
    const crowd = (move: Move) =>
      beside.reduce((sum, { from, to }) => sum + (from === move.from ? 1 : 0) + (to === move.to ? 1 : 0), 0);
    let place = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const [index, move] of waiting.entries()) {
      const here = crowd(move);
      if (here < least) [place, least] = [index, here];
      if (least === 0) break;
    }
    ordered.push(...waiting.splice(place, 1));
  }
  return ordered;
}
