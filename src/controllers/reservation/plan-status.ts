import type { ReservationStatus } from "../../api/types.gen.ts";
import { type DurationDistribution, probabilityWithin, quantileSeconds } from "../../model/duration-distribution.ts";
import type { Plan } from "../../planner/plan.ts";
import { formatTime } from "../../runtime/condition.ts";
import type { PlanStatus } from "./view.ts";

/** Even with nothing to move, closing the hosts and asking their agents takes a moment. */
const shortestAllowanceSeconds = 5;
/** An allowance that differs by less is left as it is, so that noise rewrites nothing. */
const negligibleSeconds = 1;
const negligibleShare = 0.1;
/** The highest on-time target there is. */
const certainty = 0.9999;

/**
 * The plan for the status; the present one while neither its hash nor its allowance has changed materially.
 * @param approved the present one when it was approved by hand: it stays the same plan while it moves the same VMs
 */
export function planStatus(
  plan: Plan,
  present: PlanStatus | undefined,
  now: Date,
  approved: PlanStatus | undefined = undefined,
): PlanStatus {
  const allowanceMilliseconds = Math.ceil(Math.max(shortestAllowanceSeconds, plan.allowanceSeconds) * 1000);
  const hash = approved && isCarriedOutBy(approved, plan) ? approved.hash : plan.hash;
  if (present?.hash === hash && isNegligible(present.allowanceMilliseconds, allowanceMilliseconds)) return present;
  return {
    hash,
    computedAt: formatTime(now),
    parallelMigrations: plan.parallelMigrations,
    predictedMilliseconds: Math.round(plan.duration.meanSeconds * 1000),
    allowanceMilliseconds,
    confidence: plan.confidence,
    moves: plan.moves.map(({ guest, from, to, prediction }) => ({
      uid: guest.uid,
      namespace: guest.namespace,
      name: guest.name,
      from,
      to,
      predictedMilliseconds: Math.round(prediction.totalSeconds * 1000),
    })),
  };
}

/** What may be expected of the plan when it begins at start-by, or now if that is past. */
export function quoteOf(
  plan: Plan,
  startBy: Date,
  windowStart: Date,
  now: Date,
): NonNullable<ReservationStatus["quote"]> {
  const begin = startBy > now ? startBy : now;
  const isFeasible = plan.unplaced.length === 0;
  const downtimeSeconds = plan.moves.reduce((sum, { prediction }) => {
    return sum + prediction.suspendSeconds + prediction.copySeconds + prediction.resumeSeconds;
  }, 0);
  const neededSeconds = Math.max(shortestAllowanceSeconds, quantileSeconds(plan.duration, certainty));
  return {
    onTimeProbability: formatProbability(isFeasible ? onTimeProbability(plan.duration, begin, windowStart) : 0),
    predictedMilliseconds: Math.round(plan.duration.meanSeconds * 1000),
    downtimeMilliseconds: Math.round(downtimeSeconds * 1000),
    ...(isFeasible && { certainFrom: formatTime(new Date(now.getTime() + Math.ceil(neededSeconds) * 1000)) }),
  };
}

function isCarriedOutBy({ moves = [], parallelMigrations }: PlanStatus, plan: Plan): boolean {
  if (plan.moves.length !== moves.length || plan.unplaced.length > 0) return false;
  if (plan.parallelMigrations !== parallelMigrations) return false;
  const known = new Map(moves.map((move) => [move.uid, move]));
  return plan.moves.every(
    ({ guest, from, to }) => known.get(guest.uid)?.from === from && known.get(guest.uid)?.to === to,
  );
}

function isNegligible(before: number | undefined, after: number): boolean {
  if (before === undefined) return false;
  return Math.abs(before - after) <= Math.max(negligibleSeconds * 1000, negligibleShare * before);
}

/** The latest moment to begin, rounded down to whole seconds. */
export function startByOf(plan: PlanStatus, windowStart: Date): Date {
  const milliseconds = windowStart.getTime() - (plan.allowanceMilliseconds ?? 0);
  return new Date(Math.floor(milliseconds / 1000) * 1000);
}

/**
 * Probability, 0 to 1, of being done by the window's start when the rest begins at the given time.
 */
export function onTimeProbability(rest: DurationDistribution, begin: Date, windowStart: Date): number {
  return probabilityWithin(rest, (windowStart.getTime() - begin.getTime()) / 1000);
}

/** Such as `99.3%`, rounded down: only what is certain is 100%. */
export function formatProbability(probability: number): string {
  if (probability >= 1) return "100%";
  return `${(Math.floor(probability * 1000) / 10).toFixed(1)}%`;
}

/**
 * Whether the probability has fallen noticeably below what was asked. Vacating begins when it is just what was asked,
 * so a little less is no news; once raised, the alarm stays until most of the ground is regained.
 */
export function isAtRisk(probability: number, target: number, isRaised: boolean): boolean {
  const asked = 1 - target;
  const tolerated = Math.min((isRaised ? 1.5 : 3) * asked, (1 + asked) / 2);
  return 1 - probability > tolerated;
}

export function progressOf(displaced: number, moved: number, failed = 0): NonNullable<ReservationStatus["progress"]> {
  return { displaced, moved, failed, summary: `${moved}/${displaced}` };
}
