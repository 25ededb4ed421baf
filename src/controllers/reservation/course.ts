import type { DurationDistribution } from "../../model/duration-distribution.ts";
import type { Cluster, ReservationRequest } from "../../planner/inputs.ts";
import { type Plan, planVacating, predictMove } from "../../planner/plan.ts";
import { predictSchedule, type ScheduledMove } from "../../planner/schedule.ts";
import { approvedPlan } from "./consent.ts";
import { isAtRisk, onTimeProbability } from "./plan-status.ts";
import type { MoveProgress } from "./vacating-moves.ts";
import type { MoveStatus, ReservationView } from "./view.ts";

/** How vacating goes on from here. */
export interface Course {
  plan: Plan;
  /** What is under way and what is to come, together. */
  rest: DurationDistribution;
  /** Of being done by the window's start, 0 to 1. */
  probability: number;
}

interface Situation {
  view: ReservationView;
  request: ReservationRequest;
  cluster: Cluster;
  /** The hosts that are vacated. */
  hosts: readonly string[];
  moves: readonly MoveStatus[];
  progress: readonly MoveProgress[];
  /** The alarm was raised before. */
  wasAtRisk: boolean;
}

/** More at once that are tried when it falls behind; every one makes the single VM take longer. */
const degrees = [2, 3, 4, 6, 8];
/** What another course has to gain in probability when it does not reach the target either. */
const worthwhileGain = 0.02;

/**
 * The present plan as long as it is likely enough to be on time. Else, in this order: other targets for the VMs that wait
 * yet, more migrations at once, both; the first that is likely enough again, or the most likely one. What people fixed
 * stays: a plan that was approved by hand, and their number of migrations at once.
 */
export function chooseCourse(situation: Situation): Course {
  const { view, request, moves, progress, wasAtRisk } = situation;
  const approved = approvedPlan(view.reservation);
  // What was approved by hand is tried again as it is.
  if (approved)
    return courseWith(situation, new Map(moves.map(({ uid, to }) => [uid, to])), approved.parallelMigrations);
  const fixed = fixedTargets(moves, progress);
  const atOnce = request.parallelMigrations ?? view.reservation.status?.plan?.parallelMigrations;
  const present = courseWith(situation, fixed, atOnce);
  const isEnough = ({ probability }: Course) => !isAtRisk(probability, request.onTimeTarget, wasAtRisk);
  const isOpen = progress.some(({ state }) => state === "Waiting");
  if (isEnough(present) || !isOpen || view.now >= request.windowStart) return present;

  const told = new Map(
    [...fixed].filter(([uid]) => progress.some((one) => one.uid === uid && one.state !== "Waiting")),
  );
  const more = request.parallelMigrations === undefined ? higherDegrees(present) : [];
  const others = [
    () => courseWith(situation, told, atOnce),
    ...more.map((degree) => () => courseWith(situation, fixed, degree)),
    ...more.map((degree) => () => courseWith(situation, told, degree)),
  ];
  let best = present;
  for (const make of others) {
    const course = make();
    if (isEnough(course)) return course;
    if (course.probability > best.probability + worthwhileGain) best = course;
  }
  return best;
}

function higherDegrees({ plan }: Course): number[] {
  return degrees.filter((degree) => degree > plan.parallelMigrations && degree <= plan.moves.length + 1);
}

function courseWith(
  { view, request, cluster, hosts, progress }: Situation,
  fixed: ReadonlyMap<string, string>,
  parallelMigrations: number | undefined,
): Course {
  const avoid = new Map(progress.map(({ uid, failedTargets }) => [uid, failedTargets]));
  const plan = planVacating({ ...request, parallelMigrations }, cluster, hosts, { fixed, avoid });
  const rest = predictSchedule(restOf(plan, view, cluster, progress), plan.parallelMigrations);
  const probability = plan.unplaced.length > 0 ? 0 : onTimeProbability(rest, view.now, request.windowStart);
  return { plan, rest, probability };
}

/** Targets stay as planned unless they have failed. */
function fixedTargets(moves: readonly MoveStatus[], progress: readonly MoveProgress[]): Map<string, string> {
  const failed = new Map(progress.map(({ uid, failedTargets }) => [uid, failedTargets]));
  return new Map(moves.filter(({ uid, to }) => !failed.get(uid)?.has(to)).map(({ uid, to }) => [uid, to]));
}

/** What has to be waited for yet: migrations under way, then those to come in their order. */
function restOf(
  plan: Plan,
  view: ReservationView,
  { guests, hosts }: Cluster,
  progress: readonly MoveProgress[],
): ScheduledMove[] {
  const running = progress.flatMap(({ uid, vm, state }): ScheduledMove[] => {
    const migration = vm?.status?.migration;
    const guest = guests.find((one) => one.uid === uid);
    if (state !== "Moving" || !migration || !guest) return [];
    const find = (name: string) => hosts.find((host) => host.name === name);
    const begun = Date.parse(migration.startedAt ?? "");
    const elapsed = Number.isNaN(begun) ? 0 : (view.now.getTime() - begun) / 1000;
    const stateBytes = migration.bytesTotal ?? guest.stateBytes;
    const prediction = predictMove({ ...guest, stateBytes }, find(migration.from), find(migration.to));
    return [{ from: migration.from, to: migration.to, prediction, elapsedSeconds: Math.max(0.001, elapsed) }];
  });
  return [...running, ...plan.moves];
}
