import type { GuestReport, GuestState } from "../../agent/protocol/types.ts";
import type { OverheadModel, Reservation, VirtualMachine, VMHost } from "../../api/resources.ts";
import type { ReservationStatus, VirtualMachineStatus, VMHostStatus } from "../../api/types.gen.ts";
import type { Plan } from "../../planner/plan.ts";

export type Hold = NonNullable<VMHostStatus["holds"]>[number];
export type Assignment = NonNullable<VirtualMachineStatus["assignment"]>;
export type PlanStatus = NonNullable<ReservationStatus["plan"]>;
export type MoveStatus = NonNullable<PlanStatus["moves"]>[number];

/** What a host's agent said just now. */
export type Inventory =
  | {
      /** The agent keeps others away by itself, also while the operator is gone. */
      isHoldConfirmed: boolean;
      guests: readonly GuestReport[];
    }
  | { unavailable: string };

/** How many seconds before the window's start a plan is to begin. Others than the plan's own are there to be compared with. */
export type StartRule = (plan: Plan, windowStart: Date, now: Date) => number;

/** Everything that a decision about one reservation depends on. */
export interface ReservationView {
  now: Date;
  reservation: Reservation;
  hosts: readonly VMHost[];
  virtualMachines: readonly VirtualMachine[];
  models: readonly OverheadModel[];
  /** All, this one included. */
  reservations: readonly Reservation[];
  /** When to begin; absent: as late as the on-time target allows. */
  startRule?: StartRule;
  /** By host name; hosts that were not asked are absent. */
  inventories: ReadonlyMap<string, Inventory>;
}

/** States of a guest that is more than a disk. */
const liveStates: ReadonlySet<GuestState> = new Set(["Starting", "Running", "Suspended", "HandedOver", "Incoming"]);

export function isLive(guest: GuestReport): boolean {
  return liveStates.has(guest.state);
}

/** This reservation's entry among the host's holds. */
export function ownHold(host: VMHost | undefined, reservation: Reservation): Hold | undefined {
  return host?.status?.holds?.find((hold) => hold.reservation.uid === reservation.metadata.uid);
}

/** Names of the hosts it holds, sorted. */
export function heldHostNames(view: Pick<ReservationView, "hosts" | "reservation">): string[] {
  return view.hosts
    .filter((host) => ownHold(host, view.reservation) !== undefined)
    .map((host) => host.metadata.name)
    .sort();
}

/** VMs that this reservation has assigned and not given back, in their plan's order. */
export function assignedMachines(view: ReservationView): VirtualMachine[] {
  const order = new Map((view.reservation.status?.plan?.moves ?? []).map((move, index) => [move.uid, index]));
  const rank = (vm: VirtualMachine) => order.get(vm.metadata.uid ?? "") ?? order.size;
  return view.virtualMachines
    .filter((vm) => vm.status?.assignment?.by.uid === view.reservation.metadata.uid)
    .sort((a, b) => rank(a) - rank(b));
}

export function machineName(vm: VirtualMachine): string {
  return `${vm.metadata.namespace}/${vm.metadata.name}`;
}

/** The uids of all reservations that hold a host, for `wantedHost`. */
export function holdingReservations(hosts: readonly VMHost[]): Set<string> {
  return new Set(hosts.flatMap((host) => (host.status?.holds ?? []).map((hold) => hold.reservation.uid)));
}
