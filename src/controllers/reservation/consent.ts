import { reservationReasons as reasons } from "../../api/conditions.ts";
import type { Reservation } from "../../api/resources.ts";
import type { ReservationRequest } from "../../planner/inputs.ts";
import type { StatusDraft } from "./decision.ts";
import type { PlanStatus } from "./view.ts";

/** What people hold back: nothing new starts, and what is in flight ends. */
export interface Objection {
  reason: string;
  message: string;
}

/** Says in conditions what people hold back, and returns it; undefined when vacating may begin or go on. */
export function setConsent(draft: StatusDraft, reservation: Reservation): Objection | undefined {
  const suspended = setSuspended(draft, reservation);
  const unapproved = unapprovedPlan(draft, reservation);
  if (reservation.spec.approval?.mode !== "Manual") draft.remove("Approved");
  else if (unapproved) draft.set("Approved", "False", unapproved.reason, unapproved.message);
  else draft.set("Approved", "True", reasons.PlanApproved, `plan ${draft.status.plan?.hash} was approved`);
  return suspended ?? unapproved;
}

export function setSuspended(draft: StatusDraft, { spec }: Reservation): Objection | undefined {
  if (!spec.suspend) {
    draft.remove("Suspended");
    return undefined;
  }
  const message = "spec.suspend is true: nothing new starts, what is in flight ends";
  draft.set("Suspended", "True", reasons.Suspended, message);
  return { reason: reasons.Suspended, message };
}

function unapprovedPlan({ status }: StatusDraft, { spec: { approval } }: Reservation): Objection | undefined {
  const hash = status.plan?.hash;
  if (approval?.mode !== "Manual" || approval.planHash === hash) return undefined;
  if (approval.planHash === undefined) {
    return { reason: reasons.ApprovalRequired, message: `plan ${hash} waits for its hash in spec.approval.planHash` };
  }
  const message = `spec.approval.planHash ${approval.planHash} names a plan that is no longer the present one, ${hash}`;
  return { reason: reasons.PlanStale, message };
}

/** The present plan, when it was approved by hand: it is carried out as it is, or not at all. */
export function approvedPlan({ spec: { approval }, status }: Reservation): PlanStatus | undefined {
  const plan = status?.plan;
  return approval?.mode === "Manual" && plan?.hash === approval.planHash ? plan : undefined;
}

/** What is asked for, with the parallelism that was approved. */
export function boundRequest(request: ReservationRequest, approved: PlanStatus | undefined): ReservationRequest {
  const parallelMigrations = approved?.parallelMigrations ?? request.parallelMigrations;
  return { ...request, parallelMigrations };
}

/** Whether so late the hosts are not wanted any more. */
export function givesUp({ reservation, now }: { reservation: Reservation; now: Date }, windowStart: Date): boolean {
  return reservation.spec.whenLate === "GiveUp" && now >= windowStart;
}
