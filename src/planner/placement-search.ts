import { byName, compare } from "./cluster-index.ts";
import type { PlannerGuest } from "./inputs.ts";
import type { Placement } from "./placement.ts";
import { Exchange } from "./placement-exchange.ts";
import type { Room } from "./room.ts";

/** Guests without a target, the hosts they may go to, what these have left, and what each choice costs. */
export interface PlacementProblem {
  guests: readonly PlannerGuest[];
  targets: readonly string[];
  /** Is used and left as it was. */
  room: Room;
  /** Zero or more; the less the better. */
  cost(guest: PlannerGuest, to: string): number;
}

/** Guest and host pairs looked at before a search gives up: exact on small clusters, bounded on large ones. */
const searchEffort = 400_000;
const improvementEffort = 200_000;
/** A placement is changed only for a gain beyond this share: balance and stability are worth something too. */
const negligibleGain = 0.01;

interface Candidate {
  to: string;
  cost: number;
}

/**
 * Branch and bound: the cheapest placement of all guests, or the best found within the effort.
 * Undefined when nothing below the limit was found.
 */
export function searchPlacement(
  problem: PlacementProblem,
  limit = Number.POSITIVE_INFINITY,
  effort = searchEffort,
): Placement[] | undefined {
  const { room } = problem;
  const guests = problem.guests
    .map((guest) => ({ guest, candidates: candidatesOf(problem, guest) }))
    // Who has the fewest choices comes first, then who needs the most.
    .sort(
      (a, b) =>
        a.candidates.length - b.candidates.length ||
        b.guest.memoryBytes - a.guest.memoryBytes ||
        b.guest.cpus - a.guest.cpus ||
        byName(a.guest, b.guest),
    );
  const leastRest = new Float64Array(guests.length + 1);
  for (let depth = guests.length - 1; depth >= 0; depth--) {
    leastRest[depth] = (leastRest[depth + 1] ?? 0) + (guests[depth]?.candidates[0]?.cost ?? Number.POSITIVE_INFINITY);
  }
  const chosen: Placement[] = [];
  let best: Placement[] | undefined;
  let bestCost = limit;
  let left = effort;

  const descend = (depth: number, cost: number): void => {
    const next = guests[depth];
    if (!next) {
      best = [...chosen];
      bestCost = cost;
      return;
    }
    for (const { to, cost: more } of next.candidates) {
      if (left-- <= 0 || cost + more + (leastRest[depth + 1] ?? 0) >= bestCost - 1e-9) return;
      if (!room.fits(next.guest, to)) continue;
      const isNews = room.take(next.guest, to);
      chosen.push({ guest: next.guest, from: next.guest.hostName ?? "", to });
      descend(depth + 1, cost + more);
      chosen.pop();
      if (isNews) room.leave(next.guest, to);
    }
  };
  descend(0, 0);
  return best;
}

/** A cheaper placement than the given one, which places all guests; undefined when there is nothing much to gain. */
export function improvePlacement(
  problem: PlacementProblem,
  placements: readonly Placement[],
): readonly Placement[] | undefined {
  const costOf = (list: readonly Placement[]) => list.reduce((sum, { guest, to }) => sum + problem.cost(guest, to), 0);
  const before = costOf(placements);
  const least = problem.guests.reduce((sum, guest) => sum + leastCost(problem, guest), 0);
  const most = before * (1 - negligibleGain);
  if (least > most) return undefined;
  const exchanged = new Exchange(problem, placements).run();
  const found = searchPlacement(problem, Math.min(most, costOf(exchanged)), improvementEffort);
  if (found) return found;
  return costOf(exchanged) < most ? exchanged : undefined;
}

/** Hosts on which the guest fits while no other guest is placed, cheapest first. */
function candidatesOf(problem: PlacementProblem, guest: PlannerGuest): Candidate[] {
  return candidatesByCost(problem, guest).filter(({ to }) => problem.room.fits(guest, to));
}

function leastCost({ targets, cost }: PlacementProblem, guest: PlannerGuest): number {
  return targets.reduce((least, to) => Math.min(least, cost(guest, to)), Number.POSITIVE_INFINITY);
}

export function candidatesByCost({ targets, cost }: PlacementProblem, guest: PlannerGuest): Candidate[] {
  return targets.map((to) => ({ to, cost: cost(guest, to) })).sort((a, b) => a.cost - b.cost || compare(a.to, b.to));
}
