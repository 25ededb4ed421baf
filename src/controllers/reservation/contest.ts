import type { Reservation } from "../../api/resources.ts";
import { admit } from "../../planner/admission.ts";
import type { Cluster, ReservationRequest } from "../../planner/inputs.ts";
import { isTrue } from "../../runtime/condition.ts";
import { isOlder } from "./planning-input.ts";
import { holdingReservations, type ReservationView } from "./view.ts";
import { windowOf } from "./window.ts";

/** An older reservation that was never decided is waited for only while it is that young. */
const undecidedSeconds = 30;

/** An older reservation for an overlapping window that has not been decided yet: it has the first choice. */
export function olderUndecided(view: ReservationView, request: ReservationRequest): boolean {
  return view.reservations.some((other) => {
    const { metadata, status } = other;
    if (metadata.uid === view.reservation.metadata.uid || !isOlder(other, view.reservation)) return false;
    if (metadata.deletionTimestamp !== undefined || status?.conditions !== undefined) return false;
    const ageSeconds = (view.now.getTime() - Date.parse(metadata.creationTimestamp ?? "")) / 1000;
    return ageSeconds < undecidedSeconds && overlaps(view, other, request);
  });
}

function overlaps(view: ReservationView, other: Reservation, request: ReservationRequest): boolean {
  try {
    const { start, end } = windowOf({ reservation: other, now: view.now });
    return start < request.windowEnd && request.windowStart < end;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/**
 * Whether it would be admitted but for younger reservations that have not got all their hosts yet: those give way.
 */
export function fitsWithoutYounger(view: ReservationView, request: ReservationRequest, cluster: Cluster): boolean {
  const younger = youngerContenders(view);
  if (younger.size === 0) return false;
  const hosts = cluster.hosts.map((host) => ({
    ...host,
    holds: host.holds.filter((hold) => !younger.has(hold.reservation)),
  }));
  return !admit(request, { ...cluster, hosts }, true).refusal;
}

/** `namespace/name` of younger reservations that hold hosts without being admitted. */
function youngerContenders(view: ReservationView): Set<string> {
  const holding = holdingReservations(view.hosts);
  const contenders = view.reservations.filter(
    (other) =>
      holding.has(other.metadata.uid ?? "") &&
      other.metadata.uid !== view.reservation.metadata.uid &&
      isOlder(view.reservation, other) &&
      !isTrue(other.status?.conditions, "Admitted"),
  );
  return new Set(contenders.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
}
