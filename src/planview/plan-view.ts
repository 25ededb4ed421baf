import { inSequence, probabilityWithin, quantileSeconds } from "../model/duration-distribution.ts";
import type { Confidence } from "../model/predict-migration.ts";
import type { Explanation } from "../planner/explanation.ts";
import { guestName, type ReservationRequest } from "../planner/inputs.ts";
import type { Plan } from "../planner/plan.ts";

/** One VM's move as it is shown. Seconds count from the moment at which vacating begins. */
export interface MoveView {
  /** `namespace/name`. */
  vm: string;
  from: string;
  to: string;
  memoryBytes: number;
  /** Expected to move. */
  stateBytes: number;
  beginSeconds: number;
  suspendSeconds: number;
  copySeconds: number;
  resumeSeconds: number;
  /** The phases and the preparation before them. */
  totalSeconds: number;
  endSeconds: number;
  /** By then it has ended with the wanted probability. */
  latestEndSeconds: number;
}

/** A plan as it is shown to people and programs. */
export interface PlanView {
  /** `namespace/name`. */
  reservation: string;
  now: Date;
  windowStart: Date;
  windowEnd: Date;
  /** The hosts to vacate. */
  hosts: string[];
  /** When vacating begins: the start-by, or now when that is past. */
  begin: Date;
  startBy: Date;
  /** Wanted, above 0 and below 1. */
  onTimeTarget: number;
  /** Expected when vacating begins at `begin`, 0 to 1. */
  onTimeProbability: number;
  parallelMigrations: number;
  predictedSeconds: number;
  allowanceSeconds: number;
  confidence: Confidence;
  /** Of all VMs together: suspend, copy and resume. */
  downtimeSeconds: number;
  /** A window that starts here or later would be met with the wanted probability, if vacating began now. */
  earliestStart: Date;
  planHash: string;
  /** In the order in which they begin. */
  moves: MoveView[];
  /** What people should know about it though it is feasible. */
  warnings: string[];
  explanation: Explanation;
}

/**
 * The plan in what is shown of it.
 * @param startBy when vacating has to begin
 */
export function planView(
  request: ReservationRequest,
  plan: Plan,
  explanation: Explanation,
  startBy: Date,
  now: Date,
): PlanView {
  const begin = startBy > now ? startBy : now;
  const secondsLeft = (request.windowStart.getTime() - begin.getTime()) / 1000;
  const allowanceSeconds = (request.windowStart.getTime() - startBy.getTime()) / 1000;
  const moves = timedMoves(plan, request.onTimeTarget);
  return {
    reservation: `${request.namespace}/${request.name}`,
    now,
    windowStart: request.windowStart,
    windowEnd: request.windowEnd,
    hosts: plan.hosts,
    begin,
    startBy,
    onTimeTarget: request.onTimeTarget,
    onTimeProbability: probabilityWithin(plan.duration, secondsLeft),
    parallelMigrations: plan.parallelMigrations,
    predictedSeconds: plan.duration.meanSeconds,
    allowanceSeconds,
    confidence: plan.confidence,
    downtimeSeconds: moves.reduce(
      (sum, { suspendSeconds, copySeconds, resumeSeconds }) => sum + suspendSeconds + copySeconds + resumeSeconds,
      0,
    ),
    earliestStart: new Date(now.getTime() + allowanceSeconds * 1000),
    planHash: plan.hash,
    moves,
    warnings: plan.warnings,
    explanation,
  };
}

/**
 * When each move is expected to begin and end: in the plan's order, each as soon as one of so many at once is done.
 * Handling between two and copies that share a link make the whole longer than its parts; that is spread evenly.
 */
function timedMoves({ moves, parallelMigrations, duration }: Plan, onTimeTarget: number): MoveView[] {
  const slots = Array.from({ length: Math.max(1, parallelMigrations) }, () => ({
    freeSeconds: 0,
    jobs: [] as Plan["moves"][number]["prediction"][],
  }));
  const placed = moves.map((move) => {
    const slot = slots.reduce((first, other) => (other.freeSeconds < first.freeSeconds ? other : first));
    const beginSeconds = slot.freeSeconds;
    slot.freeSeconds += move.prediction.totalSeconds;
    slot.jobs.push(move.prediction);
    const so = inSequence(slot.jobs.map((job) => ({ ...job, meanSeconds: job.totalSeconds })));
    const slackSeconds = Math.max(0, quantileSeconds(so, onTimeTarget) - so.meanSeconds);
    return { move, beginSeconds, endSeconds: slot.freeSeconds, slackSeconds };
  });
  const longest = Math.max(...slots.map(({ freeSeconds }) => freeSeconds));
  const stretch = longest > 0 ? duration.meanSeconds / longest : 1;
  return placed.map(({ move, beginSeconds, endSeconds, slackSeconds }) => {
    const { guest, from, to, prediction } = move;
    const { suspendSeconds, copySeconds, resumeSeconds, totalSeconds } = prediction;
    return {
      vm: guestName(guest),
      ...{ from, to, memoryBytes: guest.memoryBytes, stateBytes: guest.stateBytes },
      ...{ suspendSeconds, copySeconds, resumeSeconds, totalSeconds },
      beginSeconds: beginSeconds * stretch,
      endSeconds: endSeconds * stretch,
      latestEndSeconds: endSeconds * stretch + slackSeconds,
    };
  });
}
