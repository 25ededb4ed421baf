import type { AgentHold } from "../../agent/protocol/types.ts";
import type { Reservation, VirtualMachine, VMHost } from "../../api/resources.ts";
import { isAllowedGuest, isClosed } from "../hold-rules.ts";

/** The holds that are closed now, as the agent is told: sorted, so that unchanged holds compare equal. */
export function closedHolds(
  host: VMHost,
  reservation: (uid: string) => Reservation | undefined,
  virtualMachines: readonly VirtualMachine[],
  now: Date,
): AgentHold[] {
  const closed = (host.status?.holds ?? []).filter((hold) => isClosed(hold, now));
  return closed
    .map((hold): AgentHold => {
      const holder = reservation(hold.reservation.uid);
      const allowed = virtualMachines.filter((vm) => isAllowedGuest(holder, vm));
      const allowedUids = allowed.flatMap((vm) => vm.metadata.uid ?? []).sort();
      return { reservationUid: hold.reservation.uid, until: hold.end, allowedUids };
    })
    .sort((a, b) => (a.reservationUid < b.reservationUid ? -1 : 1));
}

/** Milliseconds until one of the host's holds opens or closes by itself; undefined when none will. */
export function nextHoldChange(host: VMHost, now: Date): number | undefined {
  const times = (host.status?.holds ?? []).flatMap(({ start, end, closedFrom }) =>
    [start, end, closedFrom].flatMap((time) => (time === undefined ? [] : Date.parse(time))),
  );
  const ahead = times.map((time) => time - now.getTime()).filter((left) => left > 0);
  return ahead.length === 0 ? undefined : Math.min(...ahead);
}
