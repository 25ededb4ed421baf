import { reservationReasons as reasons } from "../../api/conditions.ts";
import { formatSeconds } from "../../api/duration.ts";
import type { DurationDistribution } from "../../model/duration-distribution.ts";
import type { ReservationRequest } from "../../planner/inputs.ts";
import type { Plan } from "../../planner/plan.ts";
import { findCondition, formatTime } from "../../runtime/condition.ts";
import type { Objection } from "./consent.ts";
import type { StatusDraft } from "./decision.ts";
import type { HostCheck } from "./inventory-check.ts";
import { formatProbability, isAtRisk, progressOf } from "./plan-status.ts";
import type { MoveProgress } from "./vacating-moves.ts";
import type { ReservationView } from "./view.ts";

/** What is still to be done, and what is being done about it. */
export interface Outlook {
  rest: DurationDistribution;
  /** Of being on time, 0 to 1. */
  probability: number;
  plan: Plan;
  progress: readonly MoveProgress[];
  /** What people hold back. */
  objection: Objection | undefined;
}

/** `Vacated`, the hosts that are free, the progress, and the outcome when the last host has become free. */
export function setVacated(
  draft: StatusDraft,
  view: ReservationView,
  request: ReservationRequest,
  checks: readonly HostCheck[],
  progress: readonly MoveProgress[],
): void {
  const { status } = draft;
  const { now } = view;
  const before = findCondition(status.conditions, "Vacated");
  status.hosts = (status.hosts ?? []).map(({ name, vacatedAt }, index) => {
    const check = checks[index];
    if (check?.kind === "Free") return { name, vacatedAt: vacatedAt ?? now.toISOString() };
    // Silence proves nothing, in either direction.
    return check?.kind === "NotAnswering" && vacatedAt !== undefined ? { name, vacatedAt } : { name };
  });
  const failed = progress.filter(({ state, failedTargets }) => state !== "Done" && failedTargets.size > 0).length;
  const moved = progress.filter(({ state }) => state === "Done").length;
  status.progress = progressOf(progress.length, moved, failed);

  const silent = checks.flatMap((check, index) =>
    check.kind === "NotAnswering" ? [`${status.hosts?.[index]?.name}: ${check.why}`] : [],
  );
  const occupied = checks.flatMap((check) => (check.kind === "Occupied" ? [check.by] : []));
  if (silent.length > 0) {
    // It was free when last heard of, and the agent keeps the hold; nobody can say so now.
    const isKept = before?.status === "True" || before?.status === "Unknown";
    const knownFree = isKept && (status.hosts ?? []).every(({ vacatedAt }) => vacatedAt !== undefined);
    draft.set("Vacated", knownFree ? "Unknown" : "False", reasons.HostNotAnswering, silent.join("; "));
    return;
  }
  if (occupied.length > 0) {
    draft.set("Vacated", "False", reasons.Vacating, `${moved} of ${progress.length} VMs moved; ${occupied.join("; ")}`);
    return;
  }
  draft.set("Vacated", "True", reasons.HostsFree, `no displaced VM is left, by the word of ${checks.length} agents`);
  if (before?.status === "False" && !draft.isTrue("Active")) recordOutcome(status, request, now);
}

function recordOutcome(status: StatusDraft["status"], request: ReservationRequest, now: Date): void {
  const leadMilliseconds = request.windowStart.getTime() - now.getTime();
  const since = Date.parse(status.vacatingSince ?? now.toISOString());
  status.outcome = {
    ...status.outcome,
    result: leadMilliseconds >= 0 ? "OnTime" : "Late",
    vacatedAt: now.toISOString(),
    lead: formatSeconds(leadMilliseconds / 1000),
    leadMilliseconds,
    measuredMilliseconds: now.getTime() - since,
  };
}

/** `Active`, once the window has begun and the hosts are free. */
export function setActive(draft: StatusDraft, request: ReservationRequest, now: Date): void {
  if (draft.isTrue("Active") || now < request.windowStart) return;
  const end = formatTime(request.windowEnd);
  if (draft.isTrue("Vacated")) {
    draft.set("Active", "True", reasons.WindowOpen, `the hosts are yours until ${end}`);
    draft.set("Completed", "False", reasons.WindowOpen, `the window ends at ${end}`);
  } else {
    draft.set("Active", "False", reasons.Vacating, "the window has begun and the hosts are not free yet");
  }
}

/** `AtRisk` and the probability of being on time: what is wrong, and what was done about it. */
export function setRisk(
  draft: StatusDraft,
  request: ReservationRequest,
  now: Date,
  { rest, probability, plan, progress, objection }: Outlook,
): void {
  const { status } = draft;
  if (draft.isTrue("Active") || draft.isTrue("Vacated")) {
    const isLate = status.outcome?.result === "Late";
    status.onTimeProbability = isLate ? "0.0%" : "100%";
    const lead = `the hosts were free ${isLate ? "after" : "before"} the window began (lead ${status.outcome?.lead ?? "unknown"})`;
    draft.set("AtRisk", "False", isLate ? reasons.WindowReached : reasons.OnTrack, lead);
    return;
  }
  const troubles = [...troublesOf(plan, progress, objection), ...(status.plan?.adjustments ?? []).slice(-3)];
  const details = troubles.length > 0 ? `; ${troubles.slice(0, 6).join("; ")}` : "";
  if (now >= request.windowStart) {
    status.onTimeProbability = "0.0%";
    const late = formatSeconds((now.getTime() - request.windowStart.getTime()) / 1000);
    const expected = formatSeconds(rest.meanSeconds);
    const message = `the window began ${late} ago; vacating goes on and needs about ${expected} more${details}`;
    draft.set("AtRisk", "True", reasons.WindowReached, message);
    return;
  }
  status.onTimeProbability = formatProbability(Math.min(probability, 0.9999));
  if (objection) {
    const message = `on time with ${status.onTimeProbability} if it went on now${details}`;
    draft.set("AtRisk", "True", objection.reason, message);
    return;
  }
  const wasRaised = draft.isTrue("AtRisk");
  // The warning that the start was late stays true until the ground is regained.
  if (isAtRisk(probability, request.onTimeTarget, wasRaised)) {
    const reason = draft.reason("AtRisk") === reasons.StartByPassed ? reasons.StartByPassed : reasons.BehindPlan;
    const left = formatSeconds((request.windowStart.getTime() - now.getTime()) / 1000);
    const message = `on time with ${status.onTimeProbability}, ${request.onTimeTarget * 100}% wanted: about ${formatSeconds(rest.meanSeconds)} of work in ${left}${details}`;
    draft.set("AtRisk", "True", reason, message);
    return;
  }
  draft.set("AtRisk", "False", reasons.OnTrack, `on time with ${status.onTimeProbability}${details}`);
}

function troublesOf(plan: Plan, progress: readonly MoveProgress[], objection: Objection | undefined): string[] {
  const failing = progress.filter(({ state, failedTargets }) => state !== "Done" && failedTargets.size > 0);
  return [
    ...(objection ? [objection.message] : []),
    ...failing.map(({ vm, failedTargets }) => `${vm?.metadata.name} did not get to ${[...failedTargets].join(", ")}`),
    ...plan.unplaced.map(({ message }) => message),
  ];
}
