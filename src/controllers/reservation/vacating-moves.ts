import { virtualMachineConditions, virtualMachineReasons } from "../../api/conditions.ts";
import type { VirtualMachine } from "../../api/resources.ts";
import { findCondition } from "../../runtime/condition.ts";
import type { MoveStatus, ReservationView } from "./view.ts";

/** Where one displaced VM stands. */
type MoveState =
  /** It has left, or is gone. */
  | "Done"
  /** Its migration off the hosts is under way. */
  | "Moving"
  /** It was told where to go, and nothing has begun yet. */
  | "Told"
  /** It was told where to go, and that target refuses it. */
  | "Blocked"
  | "Waiting";

export interface MoveProgress {
  uid: string;
  vm: VirtualMachine | undefined;
  state: MoveState;
  /** Targets on which a migration failed, or that refuse it. */
  failedTargets: Set<string>;
}

/** Reasons of `Placed=False` for which waiting at the same target is no use while there is another. */
const refusals: ReadonlySet<string> = new Set([
  virtualMachineReasons.NoSuchHost,
  virtualMachineReasons.HostNotReady,
  virtualMachineReasons.HostUnschedulable,
  virtualMachineReasons.HostFull,
  virtualMachineReasons.HostHeld,
  virtualMachineReasons.HostMismatch,
  virtualMachineReasons.ImageMissing,
  virtualMachineReasons.Incompatible,
  virtualMachineReasons.HostSilent,
  virtualMachineReasons.MigrationForbidden,
]);

/** Within this time after an assignment the VM's controller has looked at it. */
const reactionMilliseconds = 5000;

/** Where every VM stands that was planned to move or still is on the hosts. */
export function moveProgress(
  view: ReservationView,
  hostNames: readonly string[],
  moves: readonly MoveStatus[],
  displacedUids: readonly string[],
): MoveProgress[] {
  const machines = new Map(view.virtualMachines.map((vm) => [vm.metadata.uid ?? "", vm]));
  // Those that make room for others stand on none of the hosts to be vacated.
  const relocations = new Map(moves.filter(({ from }) => !hostNames.includes(from)).map((move) => [move.uid, move]));
  const uids = new Set([...moves.map(({ uid }) => uid), ...displacedUids]);
  return [...uids].map((uid) => {
    const vm = machines.get(uid);
    if (!vm) return { uid, vm, state: "Done", failedTargets: new Set<string>() };
    const failedTargets = failedTargetsOf(vm, view, hostNames);
    const relocation = relocations.get(uid);
    const isDisplaced = displacedUids.includes(uid);
    const state =
      relocation && !isDisplaced
        ? relocationState(vm, view, relocation, failedTargets)
        : stateOf(vm, view, hostNames, isDisplaced, failedTargets);
    return { uid, vm, state, failedTargets };
  });
}

function stateOf(
  vm: VirtualMachine,
  view: ReservationView,
  hostNames: readonly string[],
  isDisplaced: boolean,
  failedTargets: ReadonlySet<string>,
): MoveState {
  const { migration, assignment } = vm.status ?? {};
  if (migration && hostNames.includes(migration.from) && !hostNames.includes(migration.to)) return "Moving";
  if (!isDisplaced) return "Done";
  if (assignment?.by.uid !== view.reservation.metadata.uid) return "Waiting";
  return failedTargets.has(assignment?.hostName ?? "") ? "Blocked" : "Told";
}

/** Where a VM stands that is moved out of another one's way. */
function relocationState(
  vm: VirtualMachine,
  view: ReservationView,
  { to }: MoveStatus,
  failedTargets: ReadonlySet<string>,
): MoveState {
  const { migration, assignment, hostName } = vm.status ?? {};
  if (migration) return migration.to === to ? "Moving" : "Waiting";
  if (hostName === to || hostName === undefined) return "Done";
  if (assignment?.by.uid !== view.reservation.metadata.uid || assignment?.hostName !== to) return "Waiting";
  return failedTargets.has(to) ? "Blocked" : "Told";
}

function failedTargetsOf(vm: VirtualMachine, view: ReservationView, hostNames: readonly string[]): Set<string> {
  const { status } = vm;
  const since = Date.parse(view.reservation.status?.vacatingSince ?? "");
  const failed = (status?.migrations ?? [])
    // Whole seconds there, milliseconds here.
    .filter(({ result, from, finishedAt }) => {
      if (result === "Succeeded" || !hostNames.includes(from)) return false;
      return Date.parse(finishedAt ?? "") >= since - 1000;
    })
    .map(({ to }) => to);
  return new Set([...failed, ...refusingTarget(vm, view)]);
}

/** The assigned target, when the VM's controller said after the assignment that it cannot go there. */
function refusingTarget(vm: VirtualMachine, view: ReservationView): string[] {
  const assignment = vm.status?.assignment;
  const placed = findCondition(vm.status?.conditions, virtualMachineConditions.Placed);
  if (assignment?.by.uid !== view.reservation.metadata.uid || placed?.status !== "False") return [];
  const since = Date.parse(assignment?.since ?? "");
  // `lastTransitionTime` stands still when one refusal follows another; after a while what it says is about this target.
  const isNews =
    Date.parse(placed.lastTransitionTime) >= since - 1000 || view.now.getTime() - since >= reactionMilliseconds;
  return isNews && refusals.has(placed.reason) ? [assignment?.hostName ?? ""] : [];
}
