import { reservationReasons as reasons } from "../../api/conditions.ts";
import type { VirtualMachine } from "../../api/resources.ts";
import type { ReservationRequest } from "../../planner/inputs.ts";
import { displacedGuests } from "../../planner/placement.ts";
import type { Plan } from "../../planner/plan.ts";
import { formatTime } from "../../runtime/condition.ts";
import { givesUp, setConsent } from "./consent.ts";
import { chooseCourse } from "./course.ts";
import { type Action, type AssignAction, type Decision, StatusDraft } from "./decision.ts";
import { holdActions, holdsAll, wantedHold } from "./holds.ts";
import { type Replacement, replaceDead } from "./host-loss.ts";
import { checkHost } from "./inventory-check.ts";
import { clusterOf, requestOf } from "./planning-input.ts";
import { setActive, setRisk, setVacated } from "./vacating-conditions.ts";
import { type MoveProgress, moveProgress } from "./vacating-moves.ts";
import type { Assignment, Hold, MoveStatus, ReservationView } from "./view.ts";
import { setWindow, windowOf } from "./window.ts";

/** How often to look though nothing was seen to change; the inventory of an agent is not watched. */
const vacatingSeconds = 2;
const vacatedSeconds = 30;
/** Changes of the plan on the way that are kept in its status. */
const mostAdjustments = 10;
/** How soon to go on after a write of its own. */
const followUpSeconds = 0.05;

/** From start-by until the end of the window: tells VMs to go, and says when the hosts are free and the window is open. */
export function decideVacating(view: ReservationView): Decision {
  const { reservation, now } = view;
  const draft = new StatusDraft(reservation.status, now, reservation.metadata.generation);
  const { status } = draft;
  const hosts = (status.hosts ?? []).map(({ name }) => name);
  const request = withKeptWindow(requestOf(view), view, hosts);
  setWindow(status, reservation, { ...windowOf(view), end: request.windowEnd });

  const cluster = clusterOf(view);
  const wanted = wantedHold(view, request, new Date(status.startBy ?? now));
  const replacement = replaceDead(view, request, cluster);
  if (replacement) return decideReplacement(draft, view, replacement, wanted);
  const displaced = displacedGuests(request, cluster, hosts);
  const moves = status.plan?.moves ?? [];
  const progress = moveProgress(
    view,
    hosts,
    moves,
    displaced.map(({ uid }) => uid),
  );
  const wasAtRisk = draft.isTrue("AtRisk");
  const { plan, rest, probability } = chooseCourse({ view, request, cluster, hosts, moves, progress, wasAtRisk });
  const adjustments = updatePlan(status, plan, moves, progress, now);
  const objection = setConsent(draft, reservation);
  const assignments = objection ? [] : tell(view, plan, progress);
  const checks = hosts.map((name) => checkHost(view, name));
  setVacated(draft, view, request, checks, progress);
  setActive(draft, request, now);
  setRisk(draft, request, now, { rest, probability, plan, progress, objection });
  if (givesUp(view, request.windowStart) && status.outcome?.result === undefined) giveUp(draft, request);
  const holds = holdActions(view, hosts, wanted);
  return {
    actions: [...holds, ...assignments],
    status: draft.finish(),
    announcements: adjustments.map((message) => ({ type: "Normal", reason: reasons.PlanAdjusted, message })),
    requeueAfterSeconds: nextLook(draft, request, now),
  };
}

/** Holds the other host first; then lets go of the dead one, and of what its VMs were told. */
function decideReplacement(
  draft: StatusDraft,
  view: ReservationView,
  { hosts, dropped }: Replacement,
  wanted: Hold,
): Decision {
  const { status } = draft;
  const window = { windowStart: new Date(wanted.start), windowEnd: new Date(wanted.end) };
  if (!holdsAll(view, hosts, window)) {
    const actions = holdActions(view, hosts, wanted);
    return { actions, status: view.reservation.status ?? {}, requeueAfterSeconds: followUpSeconds };
  }
  const stranded = view.virtualMachines.filter((vm) => dropped.some(({ name }) => name === vm.status?.hostName));
  const isTold = ({ status: { assignment, migration } = {} }: VirtualMachine) =>
    assignment?.by.uid === view.reservation.metadata.uid && migration === undefined;
  const told = stranded.filter(isTold);
  status.hosts = hosts.map((name) => status.hosts?.find((host) => host.name === name) ?? { name });
  const moves = (status.plan?.moves ?? []).filter(({ uid }) => !stranded.some(({ metadata }) => metadata.uid === uid));
  if (status.plan) status.plan = { ...status.plan, moves };
  return {
    actions: [
      ...told.map((vm): AssignAction => ({ do: "Assign", vm, assignment: stayingPut(vm, view) })),
      ...dropped.map(({ name }): Action => ({ do: "Release", hostName: name })),
    ],
    status: draft.finish(),
    announcements: dropped.map(({ name, why }) => ({
      type: "Warning",
      reason: reasons.HostReplaced,
      message: `${name} ${why}; holds ${hosts.join(", ")} instead`,
    })),
    requeueAfterSeconds: followUpSeconds,
  };
}

function stayingPut({ spec, status }: VirtualMachine, { now }: ReservationView): Assignment | null {
  if (spec.hostName !== undefined || status?.hostName === undefined) return null;
  return { hostName: status.hostName, since: formatTime(now), by: { kind: "Scheduler" } };
}

/** The next decision releases the hosts and brings the VMs back. */
function giveUp(draft: StatusDraft, request: ReservationRequest): void {
  draft.status.outcome = { ...draft.status.outcome, result: "Missed" };
  const message = `gave up, as spec.whenLate asks: the hosts were not free when the window began at ${formatTime(request.windowStart)}`;
  draft.set("Vacated", "False", reasons.GaveUp, message);
}

/** A duration may be edited while vacating; into another reservation's window it does not grow. */
function withKeptWindow(
  request: ReservationRequest,
  view: ReservationView,
  hostNames: readonly string[],
): ReservationRequest {
  const kept = view.reservation.status?.window;
  if (!kept || Date.parse(kept.end) >= request.windowEnd.getTime()) return request;
  const isTaken = clusterOf(view).hosts.some(
    (host) =>
      hostNames.includes(host.name) &&
      host.holds.some((hold) => hold.start < request.windowEnd && request.windowStart < hold.end),
  );
  return isTaken ? { ...request, windowEnd: new Date(kept.end) } : request;
}

/**
 * Keeps what is done and under way, and writes what is still to be done when that has changed. Returns what is done
 * otherwise than planned before, in words.
 */
function updatePlan(
  status: StatusDraft["status"],
  plan: Plan,
  moves: readonly MoveStatus[],
  progress: readonly MoveProgress[],
  now: Date,
): string[] {
  const present = status.plan;
  const remaining = plan.moves.map(
    ({ guest, from, to, prediction }): MoveStatus => ({
      uid: guest.uid,
      namespace: guest.namespace,
      name: guest.name,
      from,
      to,
      predictedMilliseconds: Math.round(prediction.totalSeconds * 1000),
    }),
  );
  const known = new Map(moves.map((move) => [move.uid, move]));
  const isSame = remaining.every(({ uid, to }) => known.get(uid)?.to === to);
  const before = present?.parallelMigrations ?? plan.parallelMigrations;
  if (present && isSame && before === plan.parallelMigrations) return [];
  const open = new Set(remaining.map(({ uid }) => uid));
  const behind = moves.filter(({ uid }) => !open.has(uid) && progress.some((one) => one.uid === uid));
  const redirected = remaining.flatMap(({ uid, name, to }) => {
    const old = known.get(uid)?.to;
    return old === undefined || old === to ? [] : [`${name} is sent to ${to} instead of ${old}`];
  });
  const { parallelMigrations } = plan;
  const atOnce = before === parallelMigrations ? [] : [`${parallelMigrations} migrations at once instead of ${before}`];
  const adjustments = [...atOnce, ...redirected].map((what) => `${what}, since ${formatTime(now)}`);
  status.plan = {
    ...present,
    hash: plan.hash,
    computedAt: formatTime(now),
    parallelMigrations,
    moves: [...behind, ...remaining],
    adjustments: [...(present?.adjustments ?? []), ...adjustments].slice(-mostAdjustments),
  };
  return adjustments;
}

/** Tells as many VMs to go as the plan has at once, in its order; those whose target failed are sent to another one. */
function tell(view: ReservationView, plan: Plan, progress: readonly MoveProgress[]): AssignAction[] {
  const states = new Map(progress.map((one) => [one.uid, one]));
  let free = plan.parallelMigrations - progress.filter(({ state }) => state === "Moving" || state === "Told").length;
  const actions: AssignAction[] = [];
  for (const { guest, from, to, waitsFor } of plan.moves) {
    // Planned again when the one in its way has left.
    if (waitsFor) continue;
    const { vm, state } = states.get(guest.uid) ?? {};
    if (!vm || state === "Told" || state === "Moving") continue;
    // A VM that waits at a target with no alternative keeps nobody else from moving.
    if (state === "Blocked" && vm.status?.assignment?.hostName === to) continue;
    if (free <= 0) break;
    free--;
    actions.push({ do: "Assign", vm, assignment: assignmentTo(to, from, vm.status?.assignment, view) });
  }
  return actions;
}

function assignmentTo(to: string, from: string, present: Assignment | undefined, view: ReservationView): Assignment {
  const { namespace = "", name, uid = "" } = view.reservation.metadata;
  // A VM that another reservation has displaced before still belongs where that one took it from.
  const returnTo = present?.by.kind === "Reservation" ? (present.returnTo ?? from) : from;
  const by = { kind: "Reservation", namespace, name, uid } as const;
  return { hostName: to, returnTo, since: formatTime(view.now), by };
}

function nextLook(draft: StatusDraft, request: ReservationRequest, now: Date): number {
  const until = (time: Date) => Math.max(0, (time.getTime() - now.getTime()) / 1000);
  if (draft.status.outcome?.result === "Missed") return followUpSeconds;
  const usual = draft.isTrue("Vacated") ? vacatedSeconds : vacatingSeconds;
  const next = draft.isTrue("Active") || now >= request.windowStart ? request.windowEnd : request.windowStart;
  return Math.min(usual, until(next));
}
