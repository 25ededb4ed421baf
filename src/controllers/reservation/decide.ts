import { isTrue } from "../../runtime/condition.ts";
import { givesUp } from "./consent.ts";
import { decideAdmission, decideInvalid } from "./decide-admission.ts";
import { decideRelease } from "./decide-release.ts";
import { decideVacating } from "./decide-vacating.ts";
import type { Decision } from "./decision.ts";
import { requestOf } from "./planning-input.ts";
import type { ReservationView } from "./view.ts";
import { isRecurring, windowOf, withoutLastWindow } from "./window.ts";

/**
 * What to do about a reservation, from what is known now and nothing else: an operator that has just started decides
 * as the one before it would have.
 */
export function decide(view: ReservationView): Decision {
  const { metadata, status } = view.reservation;
  if (metadata.deletionTimestamp !== undefined) return decideRelease(view);
  const invalid = invalidSpec(view);
  // A window that was admitted is carried through whatever its spec says now.
  if (invalid !== undefined && status?.vacatingSince === undefined) return decideInvalid(view, invalid);
  if (isTrue(status?.conditions, "Completed")) return decideCompleted(view);
  if (isOver(view) || isGivenUp(view)) return decideRelease(view);
  if (invalid !== undefined) return { actions: [], status: status ?? {} };
  if (status?.vacatingSince !== undefined) return decideVacating(view);
  return decideAdmission(view);
}

/** The next window of a recurring reservation; of another one nothing, until an edit asks for another window. */
function decideCompleted(view: ReservationView): Decision {
  const { reservation } = view;
  const { status } = reservation;
  if (!isRecurring(reservation)) {
    const { start } = windowOf(view);
    if (start.getTime() === Date.parse(status?.window?.start ?? "") || start <= view.now) {
      return { actions: [{ do: "RemoveFinalizer" }], status: status ?? {} };
    }
  }
  return decideAdmission({ ...view, reservation: withoutLastWindow(reservation) });
}

/** The window has ended. A one-off that was never admitted is refused instead. */
function isOver({ reservation, now }: ReservationView): boolean {
  const { status } = reservation;
  if (status?.admittedAt === undefined && !isRecurring(reservation)) return false;
  return Date.parse(status?.window?.end ?? "") <= now.getTime();
}

/** Late, and not wanted any more: said while vacating, or when vacating did not begin before the window. */
function isGivenUp(view: ReservationView): boolean {
  const { status } = view.reservation;
  if (status?.outcome?.result === "Missed") return true;
  if (status?.window === undefined || status.vacatingSince !== undefined) return false;
  const isPlanned = status.admittedAt !== undefined || isRecurring(view.reservation);
  return isPlanned && givesUp(view, new Date(status.window.start));
}

function invalidSpec(view: ReservationView): string | undefined {
  try {
    requestOf(view);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
