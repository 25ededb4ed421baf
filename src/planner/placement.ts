import { matchesLabels } from "../api/label-selector.ts";
import { byName, compare, indexOf } from "./cluster-index.ts";
import type { Cluster, PlannerGuest, PlannerHost, ReservationRequest } from "./inputs.ts";
import { improvePlacement, searchPlacement } from "./placement-search.ts";
import { relocate } from "./relocation.ts";
import { Room } from "./room.ts";
import { whyNowhere } from "./shortfall.ts";

/** Where a displaced VM goes. */
export interface Placement {
  guest: PlannerGuest;
  /** The host it leaves. */
  from: string;
  to: string;
  /** VMs, by uid, that have to have left the target before this one begins: there is no room for both. */
  waitsFor?: string[];
  /** It goes on from there later: those that move in a circle need a free host in between. */
  isStopover?: boolean;
}

/** A displaced VM for which there is no host, and why. */
export interface Unplaced {
  guest: PlannerGuest;
  message: string;
}

export interface PlacementResult {
  placements: Placement[];
  unplaced: Unplaced[];
}

export interface PlacementOptions {
  /** Targets that were chosen before and stay, by VM uid. */
  fixed?: ReadonlyMap<string, string>;
  /** Targets that did not work, by VM uid; used only when there is no other. */
  avoid?: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether others may be moved out of the way where there is no room otherwise; true when absent. */
  relocates?: boolean;
}

/** How to choose among open hosts: to keep load even, or else to leave large gaps for large VMs. */
type Preference = "mostFree" | "leastFree";

/** Targets that take this little longer than the fastest are as good: then balance decides, and noise does not. */
const negligibleSlowdown = 1.02;

/** VMs that may not be on the given hosts during the window, by name. */
export function displacedGuests(
  request: Pick<ReservationRequest, "namespace" | "guests">,
  cluster: Cluster,
  hostNames: readonly string[],
): PlannerGuest[] {
  const { guestsByHost } = indexOf(cluster);
  return hostNames
    .flatMap((name) => guestsByHost.get(name) ?? [])
    .filter((guest) => !mayStay(request, guest))
    .sort(byName);
}

/**
 * Finds a host for every VM that has to leave the given ones: never one that is vacated itself, held by another
 * reservation before this window is over, unschedulable, silent, or without room. A VM's open home comes first, then
 * the hosts to which it moves fastest, then the one with the most room. Where there is no room, others are moved out of
 * the way.
 */
export function placeDisplaced(
  request: ReservationRequest,
  cluster: Cluster,
  hostNames: readonly string[],
  options: PlacementOptions = {},
): PlacementResult {
  const placing = new Placing(request, cluster, hostNames, options);
  const even = placing.greedily("mostFree");
  if (even.unplaced.length === 0) return placing.improved(even);
  const tight = placing.greedily("leastFree");
  if (tight.unplaced.length === 0) return placing.improved(tight);
  const exact = placing.exhaustively();
  if (exact) return exact;
  const best = tight.unplaced.length < even.unplaced.length ? tight : even;
  const relocated = options.relocates === false ? undefined : relocate(request, cluster, hostNames, best);
  return relocated ? { placements: relocated, unplaced: [] } : best;
}

/** Whether displaced VMs of this reservation may go to the host, apart from room. */
function isOpenTarget(host: PlannerHost, request: ReservationRequest, now: Date): boolean {
  if (!host.isReady || host.isUnschedulable) return false;
  return !host.holds.some((hold) => hold.end > now && hold.closedFrom < request.windowEnd);
}

/** Names of the hosts that displaced VMs may go to, apart from room; in the cluster's order. */
export function openTargets(request: ReservationRequest, cluster: Cluster, hostNames: readonly string[]): string[] {
  const vacated = new Set(hostNames);
  return cluster.hosts
    .filter((host) => !vacated.has(host.name) && isOpenTarget(host, request, cluster.now))
    .map(({ name }) => name);
}

/** One attempt after the other at the same VMs and hosts. */
class Placing {
  readonly #cluster: Cluster;
  readonly #displaced: readonly PlannerGuest[];
  readonly #targets: readonly string[];
  readonly #options: PlacementOptions;

  constructor(request: ReservationRequest, cluster: Cluster, hostNames: readonly string[], options: PlacementOptions) {
    this.#cluster = cluster;
    this.#displaced = displacedGuests(request, cluster, hostNames);
    this.#targets = openTargets(request, cluster, hostNames);
    this.#options = options;
  }

  greedily(preference: Preference): PlacementResult {
    const { room, settled, open } = this.#start();
    const result: PlacementResult = { placements: settled, unplaced: [] };
    for (const guest of open.sort(byNeed)) {
      const to = this.#choose(guest, room, preference);
      if (to === undefined) {
        result.unplaced.push({ guest, message: whyNowhere(guest, this.#targets, room) });
        continue;
      }
      room.take(guest, to);
      result.placements.push({ guest, from: guest.hostName ?? "", to });
    }
    return result;
  }

  /** A placement by search; undefined when there is none, or none was found with bounded effort. */
  exhaustively(): PlacementResult | undefined {
    const { room, settled, open } = this.#start();
    if (open.some((guest) => !guest.isMovable)) return undefined;
    const found = searchPlacement({ guests: open, targets: this.#targets, room, cost: this.#cost });
    return found && { placements: [...settled, ...found], unplaced: [] };
  }

  /** The same with less to be paid, when that is possible. */
  improved(result: PlacementResult): PlacementResult {
    const { room, settled, open } = this.#start();
    const fixed = new Set(settled.map(({ guest }) => guest.uid));
    const placements = result.placements.filter(({ guest }) => !fixed.has(guest.uid));
    const better = improvePlacement({ guests: open, targets: this.#targets, room, cost: this.#cost }, placements);
    return better ? { placements: [...settled, ...better], unplaced: [] } : result;
  }

  /** Room with everybody where it is and the fixed targets taken, and who has no target yet. */
  #start(): { room: Room; settled: Placement[]; open: PlannerGuest[] } {
    const room = new Room(this.#cluster.hosts, this.#cluster.guests);
    const settled: Placement[] = [];
    const open: PlannerGuest[] = [];
    for (const guest of this.#displaced) {
      const to = this.#options.fixed?.get(guest.uid);
      if (to === undefined || !this.#targets.includes(to) || !room.fits(guest, to)) {
        open.push(guest);
        continue;
      }
      room.take(guest, to);
      settled.push({ guest, from: guest.hostName ?? "", to });
    }
    return { room, settled, open };
  }

  #choose(guest: PlannerGuest, room: Room, preference: Preference): string | undefined {
    if (!guest.isMovable) return undefined;
    const fitting = this.#targets.filter((name) => room.fits(guest, name));
    const avoided = this.#options.avoid?.get(guest.uid);
    const untried = avoided ? fitting.filter((name) => !avoided.has(name)) : fitting;
    const choices = untried.length > 0 ? untried : fitting;
    if (guest.homeName !== undefined && choices.includes(guest.homeName)) return guest.homeName;
    const { costs } = indexOf(this.#cluster);
    const seconds = choices.map((name) => costs.seconds(guest, name));
    const most = negligibleSlowdown * seconds.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY);
    const sign = preference === "mostFree" ? -1 : 1;
    let best: { name: string; cpus: number; memoryBytes: number } | undefined;
    for (const [index, name] of choices.entries()) {
      if ((seconds[index] ?? 0) > most) continue;
      const one = { name, ...room.free(name, guest) };
      if (!best || byRoom(one, best, sign) < 0) best = one;
    }
    return best?.name;
  }

  /** Seconds that the move is worth: away from home it will have to be made twice, and what failed is a last resort. */
  readonly #cost = (guest: PlannerGuest, to: string): number => {
    const seconds = indexOf(this.#cluster).costs.seconds(guest, to);
    if (this.#options.avoid?.get(guest.uid)?.has(to)) return 100 * (1 + seconds);
    return guest.homeName === undefined || guest.homeName === to ? seconds : 2 * seconds;
  };
}

interface NamedRoom {
  name: string;
  cpus: number;
  memoryBytes: number;
}

function byRoom(a: NamedRoom, b: NamedRoom, sign: number): number {
  return sign * (a.memoryBytes - b.memoryBytes || a.cpus - b.cpus) || compare(a.name, b.name);
}

/** Those that are hardest to place come first. */
function byNeed(a: PlannerGuest, b: PlannerGuest): number {
  return b.memoryBytes - a.memoryBytes || b.cpus - a.cpus || byName(a, b);
}

/** Whether the reservation lets the VM be on its hosts. */
function mayStay(
  request: Pick<ReservationRequest, "namespace" | "guests">,
  guest: Pick<PlannerGuest, "namespace" | "labels">,
): boolean {
  if (request.guests === undefined || guest.namespace !== request.namespace) return false;
  return matchesLabels(request.guests, guest.labels);
}
