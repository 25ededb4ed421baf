import { matchesLabels } from "../api/label-selector.ts";
import { formatBytes } from "../api/quantity.ts";
import { type Cluster, guestName, type PlannerHold, type PlannerHost, type ReservationRequest } from "./inputs.ts";
import { displacedGuests } from "./placement.ts";

/** Why the host may not be vacated for the reservation, whatever the time, in a few words; undefined when it may. */
export function hostObstacle(host: PlannerHost, request: ReservationRequest, cluster: Cluster): string | undefined {
  if (!matchesLabels(request.selector, host.labels)) return "is not selected by hosts.selector";
  if (host.reservableFrom && !host.reservableFrom.includes(request.namespace)) {
    return `is not reservable from namespace ${request.namespace}`;
  }
  if (host.cpus < request.minCpus) return `has ${host.cpus} CPUs, ${request.minCpus} wanted`;
  if (host.memoryBytes < request.minMemoryBytes) {
    return `has ${formatBytes(host.memoryBytes)} of memory, ${formatBytes(request.minMemoryBytes)} wanted`;
  }
  if (!host.isReady) return "is not ready";
  const pinned = displacedGuests(request, cluster, [host.name]).find((guest) => !guest.isMovable);
  return pinned && `has ${guestName(pinned)}, which is never migrated`;
}

/** Holds of others that overlap the reservation's window. */
export function overlappingHolds(host: PlannerHost, request: ReservationRequest): PlannerHold[] {
  return host.holds.filter((hold) => hold.start < request.windowEnd && request.windowStart < hold.end);
}

export function describeHold({ reservation, start, end }: PlannerHold): string {
  return `is held by ${reservation} from ${start.toISOString()} to ${end.toISOString()}`;
}
