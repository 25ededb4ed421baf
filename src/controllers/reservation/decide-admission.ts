import { reservationReasons as reasons } from "../../api/conditions.ts";
import { formatSeconds } from "../../api/duration.ts";
import { admit, type Refusal } from "../../planner/admission.ts";
import type { Cluster, ReservationRequest } from "../../planner/inputs.ts";
import { type Plan, planVacating } from "../../planner/plan.ts";
import { formatTime, isTrue } from "../../runtime/condition.ts";
import { approvedPlan, boundRequest, setConsent, setSuspended } from "./consent.ts";
import { fitsWithoutYounger, olderUndecided } from "./contest.ts";
import { type Action, type Decision, StatusDraft } from "./decision.ts";
import { holdActions, holdsAll, wantedHold } from "./holds.ts";
import { admitWithout, type LostHost, lostHosts } from "./host-loss.ts";
import { formatProbability, onTimeProbability, planStatus, progressOf, quoteOf, startByOf } from "./plan-status.ts";
import { clusterOf, requestOf } from "./planning-input.ts";
import { heldHostNames, type ReservationView } from "./view.ts";
import { isRecurring, setWindow, windowOf } from "./window.ts";

/** How often a plan is made anew though nothing was seen to change: the size of the guests' state is not watched. */
const replanSeconds = 30;
/** How soon to go on after a write of its own. */
const followUpSeconds = 0.05;
/** How soon to look again when another reservation is about to decide or to give way. */
const contestedSeconds = 0.5;
/** A start-by that is past by less than this at admission is no risk, only the time it took to decide. */
const tolerableSeconds = 2;

/** From the reservation's creation until vacating begins: holds hosts, plans, and plans again whenever inputs change. */
export function decideAdmission(view: ReservationView): Decision {
  const request = requestOf(view);
  const cluster = clusterOf(view);
  const lost = lostHosts(view);
  if (isAdmitted(view, request)) {
    const replacement = lost.length > 0 ? admitWithout(lost, request, cluster) : undefined;
    if (replacement) return decideHosts(view, request, cluster, replacement, lost);
    return decidePlan(view, request, planFor(view, request, cluster, request.heldHosts), lost);
  }
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
  const reliable = admitWithout(lost, request, cluster, mayHaveBegun);
  if (reliable) return decideHosts(view, request, cluster, reliable, lost);
  const admission = admit(request, keepingHosts(view, cluster, request.heldHosts), mayHaveBegun);
  if (admission.refusal) return decideRefusal(view, request, cluster, admission.refusal);
  return decideHosts(view, request, cluster, admission.plan, []);
}

/** Hosts of an admitted reservation stay eligible while their agents are silent. */
function keepingHosts({ reservation }: ReservationView, cluster: Cluster, heldHosts: readonly string[]): Cluster {
  if (reservation.status?.admittedAt === undefined) return cluster;
  const hosts = cluster.hosts.map((host) => ({ ...host, isReady: host.isReady || heldHosts.includes(host.name) }));
  return { ...cluster, hosts };
}

/** Holds the plan's hosts, then lets go of others that it held. */
function decideHosts(
  view: ReservationView,
  request: ReservationRequest,
  cluster: Cluster,
  admitted: Plan,
  lost: readonly LostHost[],
): Decision {
  const plan = ruled(view, request, admitted);
  const startBy = startByOf(planStatus(plan, undefined, view.now), request.windowStart);
  const holds = holdActions(view, plan.hosts, wantedHold(view, request, startBy));
  if (!holdsAll(view, plan.hosts, request)) return { ...unchanged(view, followUpSeconds), actions: holds };
  const extra = request.heldHosts.filter((name) => !plan.hosts.includes(name));
  const decision = decidePlan(view, request, hasHosts(view, plan) ? planFor(view, request, cluster, plan.hosts) : plan);
  const replaced = lost.filter(({ name }) => extra.includes(name));
  return {
    ...decision,
    actions: [...releaseActions(extra), ...decision.actions],
    announcements: replaced.map(({ name, why }) => ({
      type: "Warning",
      reason: reasons.HostReplaced,
      message: `${name} ${why}; holds ${plan.hosts.join(", ")} instead`,
    })),
  };
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

/** @param lost held hosts for which there is no replacement */
function decidePlan(
  view: ReservationView,
  request: ReservationRequest,
  plan: Plan,
  lost: readonly LostHost[] = [],
): Decision {
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
  if (planned !== status.plan || !status.quote) status.quote = quoteOf(plan, startBy, request.windowStart, now);
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
  const dead = lost.filter(({ isDead, name }) => isDead && plan.hosts.includes(name));
  if (dead.length > 0) {
    const names = dead.map(({ name, why }) => `${name} ${why}`).join("; ");
    draft.set("AtRisk", "True", reasons.HostLost, `${names}; no other host can take its place`);
  } else if (isDue && objection) {
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
  // What is held already is kept meanwhile.
  const isContested = ["Conflict", "InsufficientCapacity"].includes(refusal.reason);
  if (isContested && fitsWithoutYounger(view, request, cluster)) return unchanged(view, contestedSeconds);
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
  for (const field of ["hosts", "plan", "quote", "startBy", "onTimeProbability", "progress"] as const)
    delete status[field];
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

function releaseActions(hostNames: readonly string[]): Action[] {
  return hostNames.map((hostName) => ({ do: "Release", hostName }));
}

function draftOf(view: ReservationView): StatusDraft {
  return new StatusDraft(view.reservation.status, view.now, view.reservation.metadata.generation);
}

function unchanged(view: ReservationView, requeueAfterSeconds: number): Decision {
  return { actions: [], status: view.reservation.status ?? {}, requeueAfterSeconds };
}
