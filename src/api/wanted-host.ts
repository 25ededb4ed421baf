import type { VirtualMachine } from "./resources.ts";

/**
 * Where a VM should be, by this order: (1) the assignment of a reservation that still holds a host, (2) its home,
 * (3) the scheduler's assignment, (4) where it is. Undefined means the scheduler has to choose.
 *
 * A migration is nothing but this differing from `status.hostName`.
 *
 * @param holdingReservations uids of the reservations that hold at least one host now (VMHost.status.holds)
 */
export function wantedHost(vm: VirtualMachine, holdingReservations: ReadonlySet<string>): string | undefined {
  const assignment = vm.status?.assignment;
  const { kind, uid } = assignment?.by ?? {};
  if (kind === "Reservation" && uid !== undefined && holdingReservations.has(uid)) return assignment?.hostName;
  if (vm.spec.hostName !== undefined) return vm.spec.hostName;
  if (kind === "Scheduler") return assignment?.hostName;
  return vm.status?.hostName;
}
