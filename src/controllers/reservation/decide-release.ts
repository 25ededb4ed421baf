import { reservationReasons as reasons, virtualMachineConditions, vmHostConditions } from "../../api/conditions.ts";
import type { VirtualMachine } from "../../api/resources.ts";
import { wantedHost } from "../../api/wanted-host.ts";
import { findCondition, formatTime, isTrue } from "../../runtime/condition.ts";
import { isClosed } from "../hold-rules.ts";
import { setSuspended } from "./consent.ts";
import { type Action, type AssignAction, type Decision, StatusDraft } from "./decision.ts";
import { progressOf } from "./plan-status.ts";
import {
  type Assignment,
  assignedMachines,
  heldHostNames,
  holdingReservations,
  machineName,
  ownHold,
  type ReservationView,
} from "./view.ts";
import { isRecurring, recordWindow } from "./window.ts";

const returningSeconds = 2;
/** How soon to go on after a write of its own. */
const followUpSeconds = 0.05;

/**
 * After the window, or when the reservation is deleted: what is in flight finishes, then VMs get their assignments
 * taken away as many at once as the plan moved, then the hosts are released. The holds stay until then, opened, since
 * they are what makes the other VMs' assignments count: without them all VMs with a home would rush back at once.
 */
export function decideRelease(view: ReservationView): Decision {
  const isDeleted = view.reservation.metadata.deletionTimestamp !== undefined;
  const draft = new StatusDraft(view.reservation.status, view.now, view.reservation.metadata.generation);
  const opened = openHolds(view);
  // Only opened hosts take VMs back.
  if (opened.length > 0)
    return { actions: opened, status: closeWindow(draft, view), requeueAfterSeconds: followUpSeconds };

  const assigned = assignedMachines(view);
  const returning = returningMachines(view);
  const suspended = setSuspended(draft, view.reservation);
  // Whoever deletes it wants to be rid of it.
  const assignments = suspended && !isDeleted ? [] : takeBack(view, assigned, returning, isDeleted);
  closeWindow(draft, view);
  if (assigned.length > 0 || returning.length > 0) {
    const names = [...returning, ...assigned].slice(0, 5).map(machineName).join(", ");
    const count = draft.status.plan?.moves?.length ?? assigned.length;
    draft.status.progress = progressOf(count, Math.max(0, count - assigned.length - returning.length));
    const paused = suspended && !isDeleted ? `; ${suspended.message}` : "";
    draft.set("Completed", "False", reasons.Returning, `waiting for ${names}${paused}`);
    return { actions: assignments, status: draft.finish(), requeueAfterSeconds: returningSeconds };
  }
  const held = heldHostNames(view);
  if (held.length > 0) {
    const actions = held.map((hostName): Action => ({ do: "Release", hostName }));
    return { actions, status: draft.finish(), requeueAfterSeconds: followUpSeconds };
  }
  complete(draft, view, isDeleted);
  if (isDeleted || !isRecurring(view.reservation)) {
    return { actions: [{ do: "RemoveFinalizer" }], status: draft.finish() };
  }
  return { actions: [], status: draft.finish(), requeueAfterSeconds: followUpSeconds };
}

/** Ends own holds that still close their hosts: only those of a reservation that is deleted before its window is over. */
function openHolds(view: ReservationView): Action[] {
  return view.hosts.flatMap((host): Action[] => {
    const hold = ownHold(host, view.reservation);
    if (!hold || !isClosed(hold, view.now)) return [];
    return [{ do: "Hold", hostName: host.metadata.name, hold: { ...hold, end: formatTime(view.now) } }];
  });
}

/** VMs of the plan without an assignment of this reservation that are on their way to where they belong. */
function returningMachines(view: ReservationView): VirtualMachine[] {
  const planned = new Set((view.reservation.status?.plan?.moves ?? []).map(({ uid }) => uid));
  const holding = holdingReservations(view.hosts);
  return view.virtualMachines.filter((vm) => {
    const { metadata, status } = vm;
    if (!planned.has(metadata.uid ?? "") || metadata.deletionTimestamp !== undefined) return false;
    if (status?.assignment?.by.kind === "Reservation" && status.assignment.by.uid !== undefined) {
      // Ours is not given back yet; another reservation's is no longer our concern.
      if (holding.has(status.assignment.by.uid)) return false;
    }
    if (status?.migration) return true;
    return status?.hostName !== undefined && wantedHost(vm, holding) !== status.hostName && !isStuck(vm);
  });
}

/** Its controller says that it cannot go, or that it failed to: it goes on trying, but nobody waits for it. */
function isStuck(vm: VirtualMachine): boolean {
  const placed = findCondition(vm.status?.conditions, virtualMachineConditions.Placed);
  return vm.spec.powerState === "Stopped" || (placed?.status === "False" && placed.reason !== "Moving");
}

/** Takes assignments away, as many at once as the plan moved; those that cause no move, all at once. */
function takeBack(
  view: ReservationView,
  assigned: readonly VirtualMachine[],
  returning: readonly VirtualMachine[],
  isDeleted: boolean,
): AssignAction[] {
  const inFlight = assigned.filter((vm) => vm.status?.migration !== undefined);
  const parallel = view.reservation.status?.plan?.parallelMigrations ?? 1;
  let free = parallel - inFlight.length - returning.length;
  const actions: AssignAction[] = [];
  for (const vm of assigned) {
    if (inFlight.includes(vm)) continue;
    const assignment = assignmentAfterwards(vm, view, isDeleted);
    const target = vm.spec.hostName ?? assignment?.hostName;
    const moves = target !== undefined && target !== vm.status?.hostName && isOpen(view, target);
    if (moves && free-- <= 0) continue;
    actions.push({ do: "Assign", vm, assignment });
  }
  return actions;
}

/** Null for a VM with a home: it goes there. Others go back when asked and possible, or stay where they are. */
function assignmentAfterwards(vm: VirtualMachine, view: ReservationView, isDeleted: boolean): Assignment | null {
  if (vm.spec.hostName !== undefined) return null;
  const { hostName, assignment } = vm.status ?? {};
  const returns = !isDeleted && (view.reservation.spec.afterwards ?? "Return") === "Return";
  const back = assignment?.returnTo;
  const target = returns && back !== undefined && isOpen(view, back) ? back : hostName;
  if (target === undefined) return null;
  return { hostName: target, since: formatTime(view.now), by: { kind: "Scheduler" } };
}

/** Whether the host takes VMs at all now. Whether there is room, its own controller says. */
function isOpen(view: ReservationView, hostName: string): boolean {
  const host = view.hosts.find((one) => one.metadata.name === hostName);
  if (!host || host.spec.unschedulable || !isTrue(host.status?.conditions, vmHostConditions.Ready)) return false;
  const others = (host.status?.holds ?? []).filter((hold) => hold !== ownHold(host, view.reservation));
  return !others.some((hold) => isClosed(hold, view.now));
}

function closeWindow(draft: StatusDraft, view: ReservationView) {
  const { status } = draft;
  const end = status.window?.end ?? formatTime(view.now);
  const isOver = end <= formatTime(view.now);
  const message = isOver ? `the window ended at ${end}` : "the hosts are released before the window ends";
  draft.set("Active", "False", reasons.WindowOver, message);
  draft.set("AtRisk", "False", reasons.WindowOver, message);
  if (!draft.isTrue("Completed") && draft.reason("Completed") !== reasons.Returning) {
    draft.set("Completed", "False", reasons.Returning, "releasing the hosts");
  }
  // Never free in the whole window.
  if (status.vacatingSince !== undefined && status.outcome?.result === undefined && isOver) {
    status.outcome = { ...status.outcome, result: "Late" };
  }
  return status;
}

function complete(draft: StatusDraft, view: ReservationView, isDeleted: boolean): void {
  const { status } = draft;
  const moves = status.plan?.moves ?? [];
  const wasVacating = status.vacatingSince !== undefined;
  // Hosts and start may be edited again: a later window is a new one.
  delete status.vacatingSince;
  status.progress = progressOf(moves.length, moves.length);
  recordWindow(status);
  if (!wasVacating) {
    draft.set("Completed", "True", reasons.NotStarted, `the window is over; ${whyNotStarted(draft)}`);
    return;
  }
  const returns = (view.reservation.spec.afterwards ?? "Return") === "Return" && !isDeleted;
  const elsewhere = view.virtualMachines.filter((vm) => {
    const from = moves.find(({ uid }) => uid === vm.metadata.uid)?.from;
    return from !== undefined && (vm.spec.hostName ?? from) !== vm.status?.hostName;
  });
  if (returns && elsewhere.length === 0 && status.outcome?.result !== "Missed") {
    draft.set("Completed", "True", reasons.Returned, `the hosts are released and ${moves.length} VMs are back`);
    return;
  }
  if (status.outcome?.result === "Missed") {
    const message = `the hosts were not free in time and are released; ${elsewhere.length} of ${moves.length} VMs stay elsewhere`;
    draft.set("Completed", "True", reasons.GaveUp, message);
    return;
  }
  const names = elsewhere.slice(0, 5).map(machineName).join(", ");
  const message = `the hosts are released; ${elsewhere.length} of ${moves.length} VMs stay elsewhere${names ? `: ${names}` : ""}`;
  draft.set("Completed", "True", returns ? reasons.Returned : reasons.Stayed, message);
}

function whyNotStarted(draft: StatusDraft): string {
  const find = (type: string) => findCondition(draft.status.conditions, type);
  const admitted = find("Admitted");
  if (admitted?.status === "False") return `it was not admitted: ${admitted.message}`;
  const held = find("Suspended") ?? find("Approved");
  return held ? `vacating never began: ${held.message}` : "vacating never began";
}
