import type { ReservationRequest } from "../../planner/inputs.ts";
import { formatTime } from "../../runtime/condition.ts";
import type { Action } from "./decision.ts";
import { type Hold, ownHold, type ReservationView } from "./view.ts";

type Window = Pick<ReservationRequest, "windowStart" | "windowEnd">;

/** The entry that this reservation wants on each of its hosts. */
export function wantedHold(view: ReservationView, window: Window, closedFrom: Date): Hold {
  const { namespace = "", name, uid = "", creationTimestamp } = view.reservation.metadata;
  return {
    reservation: { namespace, name, uid },
    start: formatTime(window.windowStart),
    end: formatTime(window.windowEnd),
    since: creationTimestamp ?? formatTime(view.now),
    closedFrom: formatTime(closedFrom),
  };
}

/** Writes the entry wherever it is missing or different. */
export function holdActions(view: ReservationView, hostNames: readonly string[], wanted: Hold): Action[] {
  return hostNames.flatMap((hostName): Action[] => {
    const host = view.hosts.find((one) => one.metadata.name === hostName);
    const present = ownHold(host, view.reservation);
    const isSame =
      present?.start === wanted.start && present.end === wanted.end && present.closedFrom === wanted.closedFrom;
    return host && !isSame ? [{ do: "Hold", hostName, hold: wanted }] : [];
  });
}

/** Whether every host carries this reservation's entry for just this window. */
export function holdsAll(view: ReservationView, hostNames: readonly string[], window: Window): boolean {
  const [start, end] = [formatTime(window.windowStart), formatTime(window.windowEnd)];
  return hostNames.every((name) => {
    const hold = ownHold(
      view.hosts.find((host) => host.metadata.name === name),
      view.reservation,
    );
    return hold?.start === start && hold.end === end;
  });
}
