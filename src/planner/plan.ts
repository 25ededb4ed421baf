import { createHash } from "node:crypto";
import { formatSeconds } from "../api/duration.ts";
import type { DurationDistribution } from "../model/duration-distribution.ts";
import { type Confidence, lowest, type MigrationPrediction } from "../model/predict-migration.ts";
import { compare, indexOf } from "./cluster-index.ts";
import { type Contention, contentionBetween } from "./contention.ts";
import { type Cluster, guestName, type PlannerGuest, type ReservationRequest } from "./inputs.ts";
import { predictMove } from "./move-cost.ts";
import { chooseParallelism, type ParallelChoice } from "./parallelism.ts";
import { type PlacementOptions, placeDisplaced, type Unplaced } from "./placement.ts";

export { predictMove } from "./move-cost.ts";

interface PlannedMove {
  guest: PlannerGuest;
  from: string;
  to: string;
  prediction: MigrationPrediction;
  /** What others on the same hosts at the same time cost it. */
  contention: Contention;
  /** VMs, by uid, that have to have left the target before this one begins: there is no room for both. */
  waitsFor?: string[];
  /** It goes on from there later, by a plan that is made then. */
  isStopover?: boolean;
}

export interface Plan {
  /** The hosts to vacate, by name. */
  hosts: string[];
  /** In the order in which they begin. */
  moves: PlannedMove[];
  parallelMigrations: number;
  duration: DurationDistribution;
  /** The quantile of the duration that the on-time target asks for. */
  allowanceSeconds: number;
  confidence: Confidence;
  /** Changes only with hosts, moves, their order, parallelism, or sizes by more than noise. */
  hash: string;
  /** Displaced VMs without a target; the plan is feasible when there is none. */
  unplaced: Unplaced[];
  /** Degrees of parallelism that were looked at; the chosen one among them. */
  parallelChoices: Omit<ParallelChoice, "moves">[];
  /** What people should know about it though it is feasible. */
  warnings: string[];
}

/** Plans how to vacate the given hosts. Deterministic: the same input gives the same plan. */
export function planVacating(
  request: ReservationRequest,
  cluster: Cluster,
  hostNames: readonly string[],
  options: PlacementOptions = {},
): Plan {
  const hosts = [...hostNames].sort(compare);
  const { placements, unplaced } = placeDisplaced(request, cluster, hosts, options);
  const { hosts: byName } = indexOf(cluster);
  const longest = placements
    .map((placement) => {
      const [from, to] = [byName.get(placement.from), byName.get(placement.to)];
      const contention = contentionBetween(from?.model, to?.model);
      return { ...placement, prediction: predictMove(placement.guest, from, to), contention };
    })
    .sort(longestFirst);
  const { chosen, considered } = chooseParallelism(longest, request, cluster.now);
  const { parallelMigrations, duration, allowanceSeconds } = chosen;
  const moves = firstMoves(chosen.moves);
  return {
    hosts,
    moves,
    parallelMigrations,
    duration,
    allowanceSeconds,
    confidence: lowest(moves.map((move) => move.prediction.confidence)),
    hash: planHash(hosts, moves, parallelMigrations),
    unplaced,
    parallelChoices: considered.map(({ moves: _, ...choice }) => choice),
    warnings: planWarnings(request, allowanceSeconds),
  };
}

/** Each VM's first move: from a stopover it goes on by the plan that is made when it is there. */
function firstMoves(moves: readonly PlannedMove[]): PlannedMove[] {
  const rests = new Set(moves.filter(({ isStopover }) => isStopover).map(({ guest }) => guest.uid));
  return moves.filter(({ guest, isStopover }) => isStopover || !rests.has(guest.uid));
}

function planWarnings({ windowStart, windowEnd }: ReservationRequest, allowanceSeconds: number): string[] {
  const windowSeconds = (windowEnd.getTime() - windowStart.getTime()) / 1000;
  if (allowanceSeconds <= windowSeconds) return [];
  const [window, allowance] = [formatSeconds(windowSeconds), formatSeconds(allowanceSeconds)];
  return [`the window of ${window} is shorter than the ${allowance} set aside to vacate the hosts for it`];
}

/** Sizes that differ by less than about a fifth are the same for order and hash. */
function magnitude(value: number): number {
  return Math.round(4 * Math.log2(Math.max(value, 2 ** -20)));
}

function longestFirst(a: PlannedMove, b: PlannedMove): number {
  const difference = magnitude(b.prediction.totalSeconds) - magnitude(a.prediction.totalSeconds);
  return difference || compare(guestName(a.guest), guestName(b.guest));
}

function planHash(hosts: readonly string[], moves: readonly PlannedMove[], parallelMigrations: number): string {
  const essence = {
    hosts,
    moves: moves.map(({ guest, from, to }) => [guest.uid, from, to, magnitude(guest.stateBytes)]),
    parallelMigrations,
  };
  return createHash("sha256").update(JSON.stringify(essence)).digest("hex").slice(0, 16);
}
