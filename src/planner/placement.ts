import { matchesLabels } from "../api/label-selector.ts";
import { type Cluster, guestName, type PlannerGuest, type PlannerHost, type ReservationRequest } from "./inputs.ts";
import { Room } from "./room.ts";

/** Where a displaced VM goes. */
interface Placement {
  guest: PlannerGuest;
  /** The host it leaves. */
  from: string;
  to: string;
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
}

/** How to choose among open hosts: to keep load even, or else to leave large gaps for large VMs. */
type Preference = "mostFree" | "leastFree";

/** VMs that may not be on the given hosts during the window, by name. */
export function displacedGuests(
  request: ReservationRequest,
  cluster: Cluster,
  hostNames: readonly string[],
): PlannerGuest[] {
  return cluster.guests
    .filter((guest) => guest.hostName !== undefined && hostNames.includes(guest.hostName) && !mayStay(request, guest))
    .sort((a, b) => compare(guestName(a), guestName(b)));
}

/**
 * Finds a host for every VM that has to leave the given ones: never one that is vacated itself, held by another
 * reservation before this window is over, unschedulable, silent, or without room. A VM's open home comes first, then
 * the host with the most room.
 */
export function placeDisplaced(
  request: ReservationRequest,
  cluster: Cluster,
  hostNames: readonly string[],
  options: PlacementOptions = {},
): PlacementResult {
  const displaced = displacedGuests(request, cluster, hostNames);
  const even = attempt(displaced, request, cluster, hostNames, options, "mostFree");
  if (even.unplaced.length === 0) return even;
  const tight = attempt(displaced, request, cluster, hostNames, options, "leastFree");
  return tight.unplaced.length < even.unplaced.length ? tight : even;
}

/** Whether displaced VMs of this reservation may go to the host, apart from room. */
function isOpenTarget(host: PlannerHost, request: ReservationRequest, now: Date): boolean {
  if (!host.isReady || host.isUnschedulable) return false;
  return !host.holds.some((hold) => hold.end > now && hold.closedFrom < request.windowEnd);
}

function attempt(
  displaced: readonly PlannerGuest[],
  request: ReservationRequest,
  cluster: Cluster,
  hostNames: readonly string[],
  { fixed, avoid }: PlacementOptions,
  preference: Preference,
): PlacementResult {
  const room = new Room(cluster.hosts, cluster.guests);
  const targets = cluster.hosts
    .filter((host) => !hostNames.includes(host.name) && isOpenTarget(host, request, cluster.now))
    .map(({ name }) => name);
  const result: PlacementResult = { placements: [], unplaced: [] };
  const settle = (guest: PlannerGuest, to: string) => {
    room.take(guest, to);
    result.placements.push({ guest, from: guest.hostName ?? "", to });
  };
  const open: PlannerGuest[] = [];
  for (const guest of displaced) {
    const target = fixed?.get(guest.uid);
    const stays = target !== undefined && targets.includes(target) && room.obstacle(guest, target) === undefined;
    if (stays) settle(guest, target);
    else open.push(guest);
  }
  for (const guest of open.sort(byNeed)) {
    const target = choose(guest, targets, room, avoid?.get(guest.uid), preference);
    if (target !== undefined) settle(guest, target);
    else result.unplaced.push({ guest, message: whyNowhere(guest, targets, room) });
  }
  return result;
}

function choose(
  guest: PlannerGuest,
  targets: readonly string[],
  room: Room,
  avoid: ReadonlySet<string> | undefined,
  preference: Preference,
): string | undefined {
  if (!guest.isMovable) return undefined;
  const fitting = targets.filter((name) => room.obstacle(guest, name) === undefined);
  const untried = fitting.filter((name) => !avoid?.has(name));
  const choices = untried.length > 0 ? untried : fitting;
  if (guest.homeName !== undefined && choices.includes(guest.homeName)) return guest.homeName;
  const sign = preference === "mostFree" ? -1 : 1;
  return choices.sort((a, b) => {
    const [freeA, freeB] = [room.free(a, guest), room.free(b, guest)];
    const difference = freeA.memoryBytes - freeB.memoryBytes || freeA.cpus - freeB.cpus;
    return sign * difference || compare(a, b);
  })[0];
}

function whyNowhere(guest: PlannerGuest, targets: readonly string[], room: Room): string {
  if (!guest.isMovable) return `VM ${guestName(guest)} on ${guest.hostName} is never migrated (migration.policy)`;
  const need = `VM ${guestName(guest)} (${guest.cpus} CPUs, ${guest.memoryBytes / 2 ** 20} MiB)`;
  if (targets.length === 0) return `${need} has nowhere to go: no other host is ready, schedulable and not held`;
  const listed = targets.slice(0, 5).map((name) => `${name} ${room.obstacle(guest, name)}`);
  const more = targets.length > listed.length ? `; and ${targets.length - listed.length} more` : "";
  return `${need} fits on no other host: ${listed.join("; ")}${more}`;
}

/** Those that are hardest to place come first. */
function byNeed(a: PlannerGuest, b: PlannerGuest): number {
  return b.memoryBytes - a.memoryBytes || b.cpus - a.cpus || compare(guestName(a), guestName(b));
}

/** Whether the reservation lets the VM be on its hosts. */
function mayStay(
  request: Pick<ReservationRequest, "namespace" | "guests">,
  guest: Pick<PlannerGuest, "namespace" | "labels">,
): boolean {
  if (request.guests === undefined || guest.namespace !== request.namespace) return false;
  return matchesLabels(request.guests, guest.labels);
}

/** By code units: the same everywhere, whatever the locale. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
