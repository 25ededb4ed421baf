import { reservationReasons as reasons } from "../../api/conditions.ts";
import { formatSeconds } from "../../api/duration.ts";
import type { Reservation } from "../../api/resources.ts";
import { admit, type Refusal } from "../../planner/admission.ts";
import type { Cluster, ReservationRequest } from "../../planner/inputs.ts";
import { type Plan, planVacating } from "../../planner/plan.ts";
import { formatTime, isTrue } from "../../runtime/condition.ts";
import { approvedPlan, boundRequest, setConsent, setSuspended } from "./consent.ts";
import { type Action, type Decision, StatusDraft } from "./decision.ts";
import { holdActions, holdsAll, wantedHold } from "./holds.ts";
import { formatProbability, onTimeProbability, planStatus, progressOf, startByOf } from "./plan-status.ts";
import { clusterOf, isOlder, requestOf } from "./planning-input.ts";
import { heldHostNames, holdingReservations, type ReservationView } from "./view.ts";
import { isRecurring, setWindow, windowOf } from "./window.ts";

/** How often a plan is made anew though nothing was seen to change: the size of the guests' state is not watched. */
const replanSeconds = 30;
/** How soon to go on after a write of its own. */
const followUpSeconds = 0.05;
/** How soon to look again when another reservation is about to decide or to give way. */
const contestedSeconds = 0.5;
/** An older reservation that was never decided is waited for only while it is that young. */
const undecidedSeconds = 30;
/** A start-by that is past by less than this at admission is no risk, only the time it took to decide. */
const tolerableSeconds = 2;

/** From the reservation's creation until vacating begins: holds hosts, plans, and plans again whenever inputs change. */
export function decideAdmission(view: ReservationView): Decision {
  const request = requestOf(view);
  const cluster = clusterOf(view);
  if (isAdmitted(view, request)) return decidePlan(view, request, planFor(view, request, cluster, request.heldHosts));
  if (view.reservation.spec.suspend && request.heldHosts.length === 0) {
    const message = "no hosts are held while spec.suspend is true";
    return decideRefusal(view, request, cluster, { reason: reasons.Suspended, message });
  }
  if (view.reservation.status?.admittedAt === undefined && olderUndecided(view, request)) {
    // What a crash left half done must not stand in the older one's way.
    return { ...unchanged(view, contestedSeconds), actions: releaseActions(request.heldHosts) };
  }

  // The windows of a schedule are chosen here: one that has begun is joined late.
  const mayHaveBegun = view.reservation.status?.admittedAt !== undefined || isRecurring(view.reservation);
  const admission = admit(request, cluster, mayHaveBegun);
  if (admission.refusal) return decideRefusal(view, request, cluster, admission.refusal);
  const plan = ruled(view, request, admission.plan);
  const startBy = startByOf(planStatus(plan, undefined, view.now), request.windowStart);
  const holds = holdActions(view, plan.hosts, wantedHold(view, request, startBy));
  if (!holdsAll(view, plan.hosts, request)) return { ...unchanged(view, followUpSeconds), actions: holds };
  const extra = request.heldHosts.filter((name) => !plan.hosts.includes(name));
  const decision = decidePlan(view, request, hasHosts(view, plan) ? planFor(view, request, cluster, plan.hosts) : plan);
  return { ...decision, actions: [...releaseActions(extra), ...decision.actions] };
}

/** The plan with the allowance that the view's rule asks for. */
function ruled({ startRule, now }: ReservationView, { windowStart }: ReservationRequest, plan: Plan): Plan {
  return startRule ? { ...plan, allowanceSeconds: startRule(plan, windowStart, now) } : plan;
}

/** Refuses a spec that makes no sense. Nothing but an edit heals that. */
export function decideInvalid(view: ReservationView, message: string): Decision {
  const draft = draftOf(view);
  refuse(draft, { reason: reasons.InvalidSpec, message });
  return { actions: releaseActions(heldHostNames(view)), status: draft.finish() };
}

/** The plan for these hosts: the approved one, as far as it can be carried out still. */
function planFor(view: ReservationView, request: ReservationRequest, cluster: Cluster, hosts: readonly string[]): Plan {
  const approved = approvedPlan(view.reservation);
  const fixed = new Map(approved?.moves?.map(({ uid, to }) => [uid, to]));
  return ruled(view, request, planVacating(boundRequest(request, approved), cluster, hosts, { fixed }));
}

/** Whether these are the hosts of the present plan. */
function hasHosts({ reservation: { status } }: ReservationView, { hosts }: Plan): boolean {
  const present = (status?.hosts ?? []).map(({ name }) => name);
  return hosts.length === present.length && hosts.every((name) => present.includes(name));
}

function decidePlan(view: ReservationView, request: ReservationRequest, plan: Plan): Decision {
  const { now } = view;
  const draft = draftOf(view);
  const { status } = draft;
  const isFirst = status.admittedAt === undefined;
  const planned = planStatus(plan, status.plan, now, hasHosts(view, plan) ? approvedPlan(view.reservation) : undefined);
  const startBy = startByOf(planned, request.windowStart);
  const isDue = startBy <= now;
  const probability = plan.unplaced.length > 0 ? 0 : chance(plan, request, startBy, now);

  const window = setWindow(status, view.reservation, windowOf(view));
  status.admittedAt ??= formatTime(now);
  status.hosts = plan.hosts.map((name) => ({ name }));
  status.plan = planned;
  status.startBy = formatTime(startBy);
  status.onTimeProbability = formatProbability(probability);
  status.progress = progressOf(plan.moves.length + plan.unplaced.length, 0);
  const until = `from ${window.start} to ${window.end}`;
  draft.set("Admitted", "True", reasons.HostsHeld, `holds ${plan.hosts.join(", ")} ${until}`);
  setPlanned(draft, plan, status.startBy);
  draft.set("Active", "False", reasons.WindowNotOpen, `the window opens at ${window.start}`);
  draft.set("Completed", "False", reasons.WindowNotOpen, `the window opens at ${window.start}`);
  const objection = setConsent(draft, view.reservation);
  const lateSeconds = (now.getTime() - startBy.getTime()) / 1000;
  const isLate = isFirst && lateSeconds > tolerableSeconds;
  if (isDue && objection) {
    const message = `${objection.message}; vacating should have begun at ${status.startBy} and would be on time with ${status.onTimeProbability} if it began now`;
    draft.set("AtRisk", "True", objection.reason, message);
  } else if (isLate) {
    const message = `vacating should have begun at ${status.startBy}, ${formatSeconds(lateSeconds)} before it was admitted; it begins at once and is on time with ${status.onTimeProbability}`;
    draft.set("AtRisk", "True", reasons.StartByPassed, message);
  } else if (!isDue || isFirst) {
    draft.set("AtRisk", "False", reasons.OnTrack, `begins at ${status.startBy}`);
  }
  if (isDue && !objection) {
    // Recorded before the first VM is told to move: from here on the hosts stay as they are.
    status.vacatingSince = now.toISOString();
    status.outcome = { predictedMilliseconds: planned.predictedMilliseconds ?? 0 };
    draft.set("Vacated", "False", reasons.Vacating, vacatingMessage(plan));
  } else {
    const message = objection?.message ?? `vacating begins at ${status.startBy}`;
    draft.set("Vacated", "False", objection?.reason ?? reasons.WaitingForStartBy, message);
  }
  return {
    actions: holdActions(view, plan.hosts, wantedHold(view, request, startBy)),
    status: draft.finish(),
    requeueAfterSeconds: isDue && !objection ? followUpSeconds : nextLook(view, request, startBy),
  };
}

/** Before anything is seen to change: at the next moment that time alone decides, and now and then. */
function nextLook({ now }: ReservationView, { windowStart, windowEnd }: ReservationRequest, startBy: Date): number {
  const moments = [startBy, windowStart, windowEnd].filter((moment) => moment > now);
  return Math.min(replanSeconds, ...moments.map((moment) => (moment.getTime() - now.getTime()) / 1000));
}

function setPlanned(draft: StatusDraft, plan: Plan, startBy: string): void {
  const [unplaced] = plan.unplaced;
  if (unplaced) {
    const more = plan.unplaced.length > 1 ? `; and ${plan.unplaced.length - 1} more` : "";
    draft.set("Planned", "False", reasons.NoFeasiblePlan, `${unplaced.message}${more}`);
    return;
  }
  const predicted = formatSeconds(plan.duration.meanSeconds);
  const message = `${plan.moves.length} VMs to move in about ${predicted} (confidence ${plan.confidence}), ${plan.parallelMigrations} at once; begins at ${startBy}`;
  draft.set("Planned", "True", reasons.PlanReady, [message, ...plan.warnings].join("; "));
}

function vacatingMessage(plan: Plan): string {
  return `moving ${plan.moves.length} VMs off ${plan.hosts.join(", ")}`;
}

function chance(plan: Plan, request: ReservationRequest, startBy: Date, now: Date): number {
  return onTimeProbability(plan.duration, startBy > now ? startBy : now, request.windowStart);
}

function decideRefusal(
  view: ReservationView,
  request: ReservationRequest,
  cluster: Cluster,
  refusal: { reason: Refusal["reason"] | typeof reasons.Suspended; message: string },
): Decision {
  // A younger reservation that has not got all its hosts yet gives way; what is held already is kept meanwhile.
  const younger = youngerContenders(view);
  if (["Conflict", "InsufficientCapacity"].includes(refusal.reason) && younger.size > 0) {
    const hosts = cluster.hosts.map((host) => ({
      ...host,
      holds: host.holds.filter((hold) => !younger.has(hold.reservation)),
    }));
    if (!admit(request, { ...cluster, hosts }, true).refusal) return unchanged(view, contestedSeconds);
  }
  const draft = draftOf(view);
  refuse(draft, refusal);
  setSuspended(draft, view.reservation);
  setWindow(draft.status, view.reservation, windowOf(view));
  const decision = { actions: releaseActions(request.heldHosts), status: draft.finish() };
  // Time alone does not bring a past window back.
  if (refusal.reason === "WindowInPast") return decision;
  return { ...decision, requeueAfterSeconds: nextLook(view, request, request.windowStart) };
}

function refuse(draft: StatusDraft, refusal: { reason: string; message: string }): void {
  const { status } = draft;
  for (const field of ["hosts", "plan", "startBy", "onTimeProbability", "progress"] as const) delete status[field];
  status.conditions = (status.conditions ?? []).filter(({ type }) => type === "Admitted");
  draft.set("Admitted", "False", refusal.reason, refusal.message);
}

/** Its hosts are held for the window that its present spec asks for. */
function isAdmitted(view: ReservationView, request: ReservationRequest): boolean {
  const { metadata, status } = view.reservation;
  if (!isTrue(status?.conditions, "Admitted") || status?.observedGeneration !== metadata.generation) return false;
  const names = (status?.hosts ?? []).map(({ name }) => name);
  return names.length === request.count && request.heldHosts.length === names.length && holdsAll(view, names, request);
}

/** An older reservation for an overlapping window that has not been decided yet: it has the first choice. */
function olderUndecided(view: ReservationView, request: ReservationRequest): boolean {
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

function releaseActions(hostNames: readonly string[]): Action[] {
  return hostNames.map((hostName) => ({ do: "Release", hostName }));
}

function draftOf(view: ReservationView): StatusDraft {
  return new StatusDraft(view.reservation.status, view.now, view.reservation.metadata.generation);
}

function unchanged(view: ReservationView, requeueAfterSeconds: number): Decision {
  return { actions: [], status: view.reservation.status ?? {}, requeueAfterSeconds };
}
