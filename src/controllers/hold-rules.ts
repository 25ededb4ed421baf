import { matchesLabels } from "../api/label-selector.ts";
import type { Reservation, VirtualMachine, VMHost } from "../api/resources.ts";

export type Hold = NonNullable<NonNullable<VMHost["status"]>["holds"]>[number];

/** The host is not to be touched by others now: from the reservation's start-by until the end of its window. */
export function isClosed(hold: Hold, now: Date): boolean {
  return closedFrom(hold) <= now.getTime() && now.getTime() < Date.parse(hold.end);
}

/** Whether the hold closes the host within so many seconds, or has closed it. */
export function closesWithin(hold: Hold, seconds: number, now: Date): boolean {
  return closedFrom(hold) <= now.getTime() + seconds * 1000 && now.getTime() < Date.parse(hold.end);
}

/**
 * Whether the VM may be on the reservation's hosts during its window.
 * @param reservation the holder; undefined when it is gone, and then nobody may
 */
export function isAllowedGuest(reservation: Reservation | undefined, vm: VirtualMachine): boolean {
  if (reservation === undefined || reservation.metadata.namespace !== vm.metadata.namespace) return false;
  const guests = reservation.spec.guests;
  return guests !== undefined && matchesLabels(guests.selector, vm.metadata.labels);
}

function closedFrom(hold: Hold): number {
  return Math.min(Date.parse(hold.closedFrom ?? hold.start), Date.parse(hold.start));
}
