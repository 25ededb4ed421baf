import { compare, indexOf } from "./cluster-index.ts";
import type { Cluster, PlannerGuest, ReservationRequest } from "./inputs.ts";
import { openTargets, type Placement, type PlacementResult } from "./placement.ts";
import { arrived, Room } from "./room.ts";
import { sequenceMoves } from "./sequence.ts";

/** Each VM that makes room for another may have to have room made for it, and so on, so many times. */
const longestChain = 4;
/** Pairs of guest and host looked at. */
const relocationEffort = 4_000;

/**
 * Places the VMs for which there is no room as it is, by moving others out of their way: residents of the targets that
 * may be migrated, and displaced ones to other targets. Undefined when no such way was found.
 * @returns all placements, in an order in which each finds room; those that leave a host which is not vacated are the
 *   residents'
 */
export function relocate(
  request: ReservationRequest,
  cluster: Cluster,
  hostNames: readonly string[],
  { placements, unplaced }: PlacementResult,
): Placement[] | undefined {
  if (unplaced.some(({ guest }) => !guest.isMovable)) return undefined;
  const targets = openTargets(request, cluster, hostNames);
  const chains = new Chains(cluster, targets, placements);
  if (!unplaced.every(({ guest }) => chains.place(guest))) return undefined;
  // Not even for a rest on a host that is vacated: from the start-by on it is closed, and its agent lets nobody in.
  return sequenceMoves(cluster, chains.placements(), targets);
}

class Chains {
  readonly #cluster: Cluster;
  readonly #targets: readonly string[];
  readonly #room: Room;
  /** Where everybody goes who goes anywhere, by VM uid. */
  readonly #moves = new Map<string, Placement>();
  #left = relocationEffort;

  constructor(cluster: Cluster, targets: readonly string[], placements: readonly Placement[]) {
    this.#cluster = cluster;
    this.#targets = targets;
    this.#room = new Room(cluster.hosts, cluster.guests.map(arrived));
    for (const placement of placements) {
      this.#moves.set(placement.guest.uid, placement);
      this.#room.take(placement.guest, placement.to);
    }
  }

  placements(): Placement[] {
    return [...this.#moves.values()].filter(({ from, to }) => from !== to);
  }

  /** Finds the guest a host, with as few others on the move as possible. */
  place(guest: PlannerGuest): boolean {
    for (let chain = 1; chain <= longestChain; chain++) {
      if (this.#settle(guest, chain, new Set([guest.uid]))) return true;
    }
    return false;
  }

  /** @param busy VMs, by uid, that have their place in this chain already */
  #settle(guest: PlannerGuest, chain: number, busy: ReadonlySet<string>): boolean {
    for (const to of this.#byCost(guest)) {
      if (this.#left-- <= 0) return false;
      if (this.#room.fits(guest, to)) {
        this.#move(guest, to);
        return true;
      }
      if (chain > 0 && this.#clear(guest, to, chain, busy)) return true;
    }
    return false;
  }

  /** Makes room for the guest on the host by sending others away. Leaves everything as it was when that fails. */
  #clear(guest: PlannerGuest, to: string, chain: number, busy: ReadonlySet<string>): boolean {
    const obstacle = this.#room.obstacle(guest, to);
    if (obstacle?.kind !== "Capacity" && obstacle?.kind !== "Apart") return false;
    const leavable = this.#room
      .guestsOn(to)
      .filter((other) => !busy.has(other.uid) && isSettled(other, to, this.#moves));
    for (const group of groups(leavable)) {
      if (this.#left-- <= 0) return false;
      const before = new Map(this.#moves);
      for (const other of group) this.#room.leave(other, to);
      if (this.#room.fits(guest, to)) {
        this.#move(guest, to);
        const together = new Set([...busy, ...group.map(({ uid }) => uid)]);
        if (group.every((other) => this.#settle(other, chain - 1, together))) return true;
      }
      this.#restore(before, group, to);
    }
    return false;
  }

  #move(guest: PlannerGuest, to: string): void {
    const from = guest.hostName ?? "";
    const before = this.#moves.get(guest.uid);
    this.#room.leave(guest, before?.to ?? from);
    this.#room.take(guest, to);
    this.#moves.set(guest.uid, { guest, from, to });
  }

  #restore(before: ReadonlyMap<string, Placement>, group: readonly PlannerGuest[], host: string): void {
    for (const [uid, { guest, to }] of this.#moves) {
      const old = before.get(uid);
      if (old?.to === to) continue;
      this.#room.leave(guest, to);
      if (!old) this.#moves.delete(uid);
      else this.#moves.set(uid, old);
      this.#room.take(guest, old?.to ?? guest.hostName ?? "");
    }
    for (const other of group) this.#room.take(other, host);
  }

  #byCost(guest: PlannerGuest): string[] {
    const { costs } = indexOf(this.#cluster);
    const home = (name: string) => (name === guest.homeName ? 0 : 1);
    return this.#targets.toSorted(
      (a, b) => home(a) - home(b) || costs.seconds(guest, a) - costs.seconds(guest, b) || compare(a, b),
    );
  }
}

/** Whether the guest may be sent away from the host: it is nowhere else, on no way, and not claimed by anybody's plan. */
function isSettled(guest: PlannerGuest, host: string, moves: ReadonlyMap<string, Placement>): boolean {
  if (!guest.isMovable || guest.hostName === undefined) return false;
  if (moves.get(guest.uid)?.to === host) return true;
  return guest.hostName === host && guest.occupies.size === 1;
}

/** One or two at once, the smallest first: more than that is too much disturbance. */
function groups(guests: readonly PlannerGuest[]): PlannerGuest[][] {
  const sorted = guests.toSorted((a, b) => a.stateBytes - b.stateBytes || compare(a.uid, b.uid));
  const pairs = sorted.flatMap((first, index) => sorted.slice(index + 1).map((second) => [first, second]));
  return [...sorted.map((guest) => [guest]), ...pairs];
}
