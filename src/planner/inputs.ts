import type { LabelSelector } from "../api/label-selector.ts";
import type { OverheadModelStatus } from "../api/types.gen.ts";

/** A host as the planner sees it. */
export interface PlannerHost {
  name: string;
  labels: Record<string, string>;
  cpus: number;
  memoryBytes: number;
  /** Its agent answers. */
  isReady: boolean;
  /** Nothing may be placed on it. */
  isUnschedulable: boolean;
  /** Namespaces that may reserve it; absent means all. */
  reservableFrom?: readonly string[] | undefined;
  linkBytesPerSecond: number;
  /** Status of its OverheadModel; absent when nothing was learned yet. */
  model?: OverheadModelStatus | undefined;
  /** Holds of other reservations. */
  holds: readonly PlannerHold[];
}

export interface PlannerHold {
  /** `namespace/name` of the reservation. */
  reservation: string;
  start: Date;
  end: Date;
  /** From when on the host takes no other VM. */
  closedFrom: Date;
}

/** A VM that runs, or is about to. */
export interface PlannerGuest {
  uid: string;
  namespace: string;
  name: string;
  labels: Record<string, string>;
  cpus: number;
  memoryBytes: number;
  /** Bytes that a migration is expected to move. */
  stateBytes: number;
  /** Where it is, or will be when the migration under way has ended. Absent while it is nowhere. */
  hostName?: string | undefined;
  /** All hosts on which it takes up room: where it is, where it is moving to, where it is wanted or planned to be. */
  occupies: ReadonlySet<string>;
  /** The host that a migration under way takes it away from: there it takes up room no longer than that lasts. */
  leaving?: string | undefined;
  /** Where people want it. */
  homeName?: string | undefined;
  hostSelector: LabelSelector;
  /** Labels of VMs of its namespace with which it shares no host; absent means it shares with all. */
  apartFrom?: LabelSelector | undefined;
  /** False for a VM that is never migrated. */
  isMovable: boolean;
}

/** What a reservation asks for. */
export interface ReservationRequest {
  namespace: string;
  name: string;
  /** Number of hosts; 1 or more. */
  count: number;
  selector: LabelSelector;
  minCpus: number;
  minMemoryBytes: number;
  windowStart: Date;
  windowEnd: Date;
  /** VMs of its namespace that may stay on the hosts; absent means none. */
  guests?: LabelSelector | undefined;
  /** Wanted probability of being on time; above 0, below 1. */
  onTimeTarget: number;
  /** Migrations at once; absent lets the planner decide. */
  parallelMigrations?: number | undefined;
  /** How many at once the present plan has: it is changed only for a reason. Absent while there is no plan. */
  presentParallelMigrations?: number | undefined;
  /** Whether displaced VMs without a home go back. */
  returnsAfterwards: boolean;
  /** Hosts that it holds already and keeps when they still qualify. */
  heldHosts: readonly string[];
}

/** Everything else that a plan depends on. */
export interface Cluster {
  now: Date;
  hosts: readonly PlannerHost[];
  guests: readonly PlannerGuest[];
}

/** `namespace/name`, as people know it. */
export function guestName(guest: Pick<PlannerGuest, "namespace" | "name">): string {
  return `${guest.namespace}/${guest.name}`;
}
