import { type LabelSelector, matchesLabels } from "../api/label-selector.ts";
import { formatBytes } from "../api/quantity.ts";
import { guestName, type PlannerGuest, type PlannerHost } from "./inputs.ts";

/** What keeps a guest off a host. */
export type Obstacle =
  | { kind: "NoSuchHost" }
  | { kind: "HostSelector" }
  /** `short…` is how much is missing; zero when there is enough of it. */
  | { kind: "Capacity"; freeCpus: number; freeMemoryBytes: number; shortCpus: number; shortMemoryBytes: number }
  | { kind: "Apart"; rival: PlannerGuest };

interface Occupancy {
  host: PlannerHost;
  cpus: number;
  memoryBytes: number;
  guests: Map<string, PlannerGuest>;
  /** Guests among them that stay apart from others. */
  loners: number;
}

/** What hosts have left for guests, while a plan is being made. A guest counts everywhere it is, moves to or is wanted. */
export class Room {
  readonly #hosts: ReadonlyMap<string, Occupancy>;

  constructor(hosts: readonly PlannerHost[], guests: readonly PlannerGuest[]) {
    this.#hosts = new Map(hosts.map((host) => [host.name, emptyHost(host)]));
    for (const guest of guests) for (const hostName of guest.occupies) this.take(guest, hostName);
  }

  /** Counts the guest on the host from now on; once, however often it is called. Returns whether that is news. */
  take(guest: PlannerGuest, hostName: string): boolean {
    const there = this.#hosts.get(hostName);
    if (!there || there.guests.has(guest.uid)) return false;
    there.guests.set(guest.uid, guest);
    there.cpus -= guest.cpus;
    there.memoryBytes -= guest.memoryBytes;
    if (guest.apartFrom) there.loners++;
    return true;
  }

  leave(guest: PlannerGuest, hostName: string): void {
    const there = this.#hosts.get(hostName);
    if (!there?.guests.delete(guest.uid)) return;
    there.cpus += guest.cpus;
    there.memoryBytes += guest.memoryBytes;
    if (guest.apartFrom) there.loners--;
  }

  /** CPUs and memory that are free for the guest; what it takes up itself counts as free. */
  free(hostName: string, guest?: PlannerGuest): { cpus: number; memoryBytes: number } {
    const there = this.#hosts.get(hostName);
    if (!there) return { cpus: 0, memoryBytes: 0 };
    const own = guest && there.guests.get(guest.uid);
    return { cpus: there.cpus + (own?.cpus ?? 0), memoryBytes: there.memoryBytes + (own?.memoryBytes ?? 0) };
  }

  /** Those that take up room on the host, in the order in which they came. */
  guestsOn(hostName: string): PlannerGuest[] {
    return [...(this.#hosts.get(hostName)?.guests.values() ?? [])];
  }

  /** What keeps the guest off the host; undefined when nothing does. */
  obstacle(guest: PlannerGuest, hostName: string): Obstacle | undefined {
    const there = this.#hosts.get(hostName);
    if (!there) return { kind: "NoSuchHost" };
    if (!isEmpty(guest.hostSelector) && !matchesLabels(guest.hostSelector, there.host.labels)) {
      return { kind: "HostSelector" };
    }
    const own = there.guests.get(guest.uid);
    const freeCpus = there.cpus + (own?.cpus ?? 0);
    const freeMemoryBytes = there.memoryBytes + (own?.memoryBytes ?? 0);
    const shortCpus = Math.max(0, guest.cpus - freeCpus);
    const shortMemoryBytes = Math.max(0, guest.memoryBytes - freeMemoryBytes);
    if (shortCpus > 0 || shortMemoryBytes > 0) {
      return { kind: "Capacity", freeCpus, freeMemoryBytes, shortCpus, shortMemoryBytes };
    }
    if (!guest.apartFrom && there.loners === 0) return undefined;
    for (const rival of there.guests.values()) {
      if (rival.uid !== guest.uid && areApart(guest, rival)) return { kind: "Apart", rival };
    }
    return undefined;
  }

  fits(guest: PlannerGuest, hostName: string): boolean {
    return this.obstacle(guest, hostName) === undefined;
  }
}

/** The guest as it will be when its migration under way has ended. */
export function arrived(guest: PlannerGuest): PlannerGuest {
  const { leaving, occupies } = guest;
  if (leaving === undefined) return guest;
  return { ...guest, occupies: new Set([...occupies].filter((hostName) => hostName !== leaving)) };
}

/** In a few words, to follow the host's name. */
export function describeObstacle(obstacle: Obstacle): string {
  switch (obstacle.kind) {
    case "NoSuchHost":
      return "does not exist";
    case "HostSelector":
      return "is not selected by the VM's hostSelector";
    case "Capacity":
      return `has ${Math.max(0, obstacle.freeCpus)} CPUs and ${formatBytes(Math.max(0, obstacle.freeMemoryBytes))} free`;
    case "Apart":
      return `has ${guestName(obstacle.rival)}, from which it stays apart`;
  }
}

/** Whether one of the two stays apart from the other. */
function areApart(a: PlannerGuest, b: PlannerGuest): boolean {
  return staysApartFrom(a, b) || staysApartFrom(b, a);
}

function staysApartFrom(guest: PlannerGuest, other: PlannerGuest): boolean {
  if (guest.apartFrom === undefined || guest.namespace !== other.namespace) return false;
  return matchesLabels(guest.apartFrom, other.labels);
}

function isEmpty(selector: LabelSelector): boolean {
  return selector.matchLabels === undefined && selector.matchExpressions === undefined;
}

function emptyHost(host: PlannerHost): Occupancy {
  return { host, cpus: host.cpus, memoryBytes: host.memoryBytes, guests: new Map(), loners: 0 };
}
