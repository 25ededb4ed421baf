import { compare, indexOf } from "./cluster-index.ts";
import type { Cluster, PlannerHost, ReservationRequest } from "./inputs.ts";
import { displacedGuests, type Placement, type PlacementResult, placeDisplaced } from "./placement.ts";
import { cheapestSubsets } from "./subsets.ts";
import { wayBackObstacle } from "./way-back.ts";

/** A host that may be taken, and what it costs at least to vacate it: predicted seconds, rounded. */
export interface RankedHost {
  host: PlannerHost;
  cost: number;
  /** The same without rounding, and also for a host that is held. */
  seconds: number;
  /** VMs that would have to leave. */
  displaced: number;
}

/** One set of hosts that was looked at. */
export interface HostChoice {
  /** By name. */
  hosts: string[];
  placement: PlacementResult;
  /** What vacating them really costs, given the targets that are left. */
  cost: number;
  /** Why they cannot be vacated; absent when they can. */
  obstacle?: string | undefined;
}

/** Bounds the work of a choice, counted in pairs of displaced VM and target. The same everywhere, unlike time. */
export class Effort {
  #left: number;

  constructor(pairs: number) {
    this.#left = pairs;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  spend(pairs: number): void {
    this.#left -= pairs;
  }
}

/** Once some set can be vacated, no more than this share of the effort goes into looking for a cheaper one. */
const mostSubsets = 2000;
const mostRepairs = 40;
const mostRelocations = 12;

/** Hosts by what vacating them costs at least, cheapest first. Held hosts cost nothing, so that they stay chosen. */
export function rankHosts(
  request: ReservationRequest,
  cluster: Cluster,
  available: readonly PlannerHost[],
): RankedHost[] {
  const { costs } = indexOf(cluster);
  return available
    .map((host) => {
      const displaced = displacedGuests(request, cluster, [host.name]);
      const seconds = displaced.reduce((sum, guest) => sum + costs.leastSeconds(guest), 0);
      return { host, cost: hostCost(request, host.name, seconds), seconds, displaced: displaced.length };
    })
    .sort((a, b) => a.cost - b.cost || compare(a.host.name, b.host.name));
}

/**
 * The cheapest set of hosts that can be vacated, or the best one found with the effort allowed; when there is none,
 * the cheapest set with its obstacle. Undefined when there are fewer hosts than wanted.
 */
export function chooseHosts(
  request: ReservationRequest,
  cluster: Cluster,
  ranked: readonly RankedHost[],
  effort: Effort,
): HostChoice | undefined {
  const exact = cheapestFirst(request, cluster, ranked, effort);
  if (exact === undefined || exact.obstacle === undefined) return exact;
  return repaired(request, cluster, ranked, exact) ?? relocating(request, cluster, ranked, effort) ?? exact;
}

/** Sets of hosts in the order of what they cost at least, until none can be cheaper than the best one found. */
function cheapestFirst(
  request: ReservationRequest,
  cluster: Cluster,
  ranked: readonly RankedHost[],
  effort: Effort,
): HostChoice | undefined {
  const costs = ranked.map(({ cost }) => cost);
  let best: HostChoice | undefined;
  let first: HostChoice | undefined;
  let tried = 0;
  for (const subset of cheapestSubsets(costs, request.count)) {
    const least = subset.reduce((sum, index) => sum + (costs[index] ?? 0), 0);
    if (best && best.cost <= least) break;
    if (++tried > mostSubsets || (first && effort.isSpent)) break;
    const names = subset.map((index) => (ranked[index] as RankedHost).host.name);
    const choice = tryHosts(request, cluster, names, effort);
    // The cheapest choice is the one to explain.
    first ??= choice;
    if (choice.obstacle === undefined && (!best || choice.cost < best.cost)) best = choice;
  }
  return best ?? first;
}

/** Where there are too many sets to try: replaces the hosts whose VMs found no place, one round after the other. */
function repaired(
  request: ReservationRequest,
  cluster: Cluster,
  ranked: readonly RankedHost[],
  failed: HostChoice,
): HostChoice | undefined {
  const banned = new Set<string>();
  let choice = failed;
  for (let round = 0; round < mostRepairs; round++) {
    const blamed = choice.placement.unplaced.map(({ guest }) => guest.hostName ?? "");
    if (blamed.length === 0) return undefined;
    for (const name of blamed) banned.add(name);
    const left = ranked.filter(({ host }) => !banned.has(host.name)).slice(0, request.count);
    if (left.length < request.count) return undefined;
    const names = left.map(({ host }) => host.name);
    choice = tryHosts(request, cluster, names);
    if (choice.obstacle === undefined) return choice;
  }
  return undefined;
}

/** The last resort: moves VMs out of the way that could stay where they are. */
function relocating(
  request: ReservationRequest,
  cluster: Cluster,
  ranked: readonly RankedHost[],
  effort: Effort,
): HostChoice | undefined {
  let tried = 0;
  const costs = ranked.map(({ cost }) => cost);
  for (const subset of cheapestSubsets(costs, request.count)) {
    if (++tried > mostRelocations || effort.isSpent) return undefined;
    const names = subset.map((index) => (ranked[index] as RankedHost).host.name);
    const choice = tryHosts(request, cluster, names, effort, true);
    if (choice.obstacle === undefined) return choice;
  }
  return undefined;
}

/** Whether these hosts can be vacated together, and what that costs. */
export function tryHosts(
  request: ReservationRequest,
  cluster: Cluster,
  names: readonly string[],
  effort?: Effort,
  relocates = false,
): HostChoice {
  const hosts = [...names].sort(compare);
  const placement = placeDisplaced(request, cluster, hosts, { relocates });
  const displaced = placement.placements.length + placement.unplaced.length;
  effort?.spend(cluster.guests.length + (1 + displaced) * cluster.hosts.length);
  const obstacle = placement.unplaced[0]?.message ?? wayBackObstacle(request, cluster, placement.placements);
  return { hosts, placement, cost: costOf(request, cluster, hosts, placement.placements), obstacle };
}

function costOf(
  request: ReservationRequest,
  cluster: Cluster,
  hosts: readonly string[],
  placements: readonly Placement[],
): number {
  const { costs } = indexOf(cluster);
  const byHost = Map.groupBy(placements, ({ from }) => from);
  const others = placements.filter(({ from }) => !hosts.includes(from));
  const extra = others.reduce((sum, { guest, to }) => sum + costs.seconds(guest, to), 0);
  return hosts.reduce((sum, name) => {
    const seconds = (byHost.get(name) ?? []).reduce((all, { guest, to }) => all + costs.seconds(guest, to), 0);
    return sum + hostCost(request, name, seconds);
  }, extra);
}

/** Coarse, so that noise changes no choice. */
function hostCost(request: ReservationRequest, name: string, seconds: number): number {
  // One more than zero: a host that is held already is cheaper than an empty one.
  return request.heldHosts.includes(name) ? 0 : 1 + Math.round(seconds);
}
