import type { Cluster, PlannerGuest, PlannerHost } from "./inputs.ts";
import { guestName } from "./inputs.ts";
import { MoveCosts } from "./move-cost.ts";

/** What a plan looks up over and over, found out once for each cluster: there may be 10,000 guests. */
export interface ClusterIndex {
  hosts: ReadonlyMap<string, PlannerHost>;
  /** Guests by the host that they are on, or will be when their migration has ended; by name. */
  guestsByHost: ReadonlyMap<string, readonly PlannerGuest[]>;
  costs: MoveCosts;
}

/** A cluster is never changed in place. */
const indexes = new WeakMap<Cluster, ClusterIndex>();

export function indexOf(cluster: Cluster): ClusterIndex {
  const known = indexes.get(cluster);
  if (known) return known;
  const hosts = new Map(cluster.hosts.map((host) => [host.name, host]));
  const located = cluster.guests.filter((guest) => guest.hostName !== undefined).sort(byName);
  const index = {
    hosts,
    guestsByHost: Map.groupBy(located, (guest) => guest.hostName ?? ""),
    costs: new MoveCosts(cluster.hosts),
  };
  indexes.set(cluster, index);
  return index;
}

export function byName(a: PlannerGuest, b: PlannerGuest): number {
  return compare(guestName(a), guestName(b));
}

/** By code units: the same everywhere, whatever the locale. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
