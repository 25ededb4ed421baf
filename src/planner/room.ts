import { matchesLabels } from "../api/label-selector.ts";
import { formatBytes } from "../api/quantity.ts";
import { guestName, type PlannerGuest, type PlannerHost } from "./inputs.ts";

/** What hosts have left for guests, while a plan is being made. A guest counts everywhere it is, moves to or is wanted. */
export class Room {
  readonly #hosts: ReadonlyMap<string, PlannerHost>;
  readonly #guests = new Map<string, Map<string, PlannerGuest>>();

  constructor(hosts: readonly PlannerHost[], guests: readonly PlannerGuest[]) {
    this.#hosts = new Map(hosts.map((host) => [host.name, host]));
    for (const guest of guests) for (const hostName of guest.occupies) this.take(guest, hostName);
  }

  /** Counts the guest on the host from now on; once, however often it is called. */
  take(guest: PlannerGuest, hostName: string): void {
    const there = this.#guests.get(hostName) ?? new Map<string, PlannerGuest>();
    this.#guests.set(hostName, there.set(guest.uid, guest));
  }

  leave(guest: PlannerGuest, hostName: string): void {
    this.#guests.get(hostName)?.delete(guest.uid);
  }

  /** CPUs and memory that are free for the guest; what it takes up itself counts as free. */
  free(hostName: string, guest?: PlannerGuest): { cpus: number; memoryBytes: number } {
    const host = this.#hosts.get(hostName);
    let cpus = host?.cpus ?? 0;
    let memoryBytes = host?.memoryBytes ?? 0;
    for (const other of this.#others(hostName, guest)) {
      cpus -= other.cpus;
      memoryBytes -= other.memoryBytes;
    }
    return { cpus, memoryBytes };
  }

  /** Why the guest cannot be on the host, in a few words; undefined when it can. */
  obstacle(guest: PlannerGuest, hostName: string): string | undefined {
    const host = this.#hosts.get(hostName);
    if (!host) return "does not exist";
    if (!matchesLabels(guest.hostSelector, host.labels)) return "is not selected by the VM's hostSelector";
    const { cpus, memoryBytes } = this.free(hostName, guest);
    if (guest.cpus > cpus || guest.memoryBytes > memoryBytes) {
      return `has ${Math.max(0, cpus)} CPUs and ${formatBytes(Math.max(0, memoryBytes))} free`;
    }
    const rival = [...this.#others(hostName, guest)].find((other) => areApart(guest, other) || areApart(other, guest));
    return rival && `has ${guestName(rival)}, from which it stays apart`;
  }

  *#others(hostName: string, guest: PlannerGuest | undefined): Iterable<PlannerGuest> {
    for (const other of this.#guests.get(hostName)?.values() ?? []) if (other.uid !== guest?.uid) yield other;
  }
}

function areApart(guest: PlannerGuest, other: PlannerGuest): boolean {
  if (guest.apartFrom === undefined || guest.namespace !== other.namespace) return false;
  return matchesLabels(guest.apartFrom, other.labels);
}
