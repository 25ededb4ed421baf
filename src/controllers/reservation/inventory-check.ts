import type { Reservation, VirtualMachine } from "../../api/resources.ts";
import { isAllowedGuest } from "../hold-rules.ts";
import { isLive, type ReservationView } from "./view.ts";

export type HostCheck = { kind: "Free" } | { kind: "Occupied"; by: string } | { kind: "NotAnswering"; why: string };

/** Whether nobody who may not is left on the host: by its agent's word only, never by a status. */
export function checkHost(view: ReservationView, hostName: string): HostCheck {
  const inventory = view.inventories.get(hostName);
  if (!inventory) return { kind: "NotAnswering", why: "it was not asked" };
  if ("unavailable" in inventory) return { kind: "NotAnswering", why: inventory.unavailable };
  const machines = new Map(view.virtualMachines.map((vm) => [vm.metadata.uid ?? "", vm]));
  const intruders = inventory.guests.filter(
    (guest) => isLive(guest) && !isAllowed(view.reservation, machines.get(guest.uid)),
  );
  if (intruders.length > 0) {
    const names = intruders.slice(0, 5).map(({ namespace, name, state }) => `${namespace}/${name} (${state})`);
    const more = intruders.length > names.length ? ` and ${intruders.length - names.length} more` : "";
    return { kind: "Occupied", by: `${hostName} has ${names.join(", ")}${more}` };
  }
  // Free for now is not enough: without its own record the agent would let others in.
  if (!inventory.isHoldConfirmed) return { kind: "Occupied", by: `${hostName} has not confirmed the hold yet` };
  return { kind: "Free" };
}

/** A guest whose VirtualMachine is unknown is nobody's guest. */
function isAllowed(reservation: Reservation, vm: VirtualMachine | undefined): boolean {
  return vm !== undefined && isAllowedGuest(reservation, vm);
}
