/**
 * The words spoken between the operator and a host agent, as JSON over HTTP/2 on the agent's Unix socket.
 * Times are RFC 3339 strings, durations integer milliseconds, sizes bytes.
 */

export type DriverName = "QEMU" | "Simulated";
export type StateLanding = "RAM" | "Disk";

/** What the agent says about its host and itself. */
export interface HostReport {
  /** Identity of the agent's journal (R8). */
  agentUuid: string;
  /** Boot id of the host. State in RAM is gone when it changes. */
  bootId: string;
  version: string;
  driver: DriverName;
  /** What runs the guests' CPUs: `kvm`, `tcg` or `simulated`. */
  accelerator: string;
  cpuModel: string;
  machineType: string;
  stateLanding: StateLanding;
  capacity: HostCapacity;
  allocated: { cpus: number; memoryBytes: number; virtualMachines: number };
  images: { name: string; sha256: string }[];
  /** Highest operator term seen; lower ones are refused (R2). */
  operatorTerm: number;
  holds: AgentHold[];
}

export interface HostCapacity {
  cpus: number;
  memoryBytes: number;
  /** Size of the place where state lands, and what is free of it now. */
  stateBytes: number;
  stateFreeBytes: number;
}

/** A hold that is closed now: the agent refuses every VM that is not allowed, and keeps refusing after a restart. */
export interface AgentHold {
  reservationUid: string;
  /** After this time, by the agent's clock, the hold ends by itself. */
  until: string;
  /** UIDs of the VMs that may come here nevertheless. */
  allowedUids: string[];
}

/**
 * `Starting`: a cold boot is under way. `Running`. `Suspended`: stopped for a migration, this host still may run it.
 * `HandedOver`: this host gave the epoch away and keeps the copy until the target runs. `Incoming`: target before `Running`.
 * `Stopped`: powered off, disk kept. `Crashed`: its process died unasked, disk kept.
 * `Lost`: it was running when the host's boot ended; disk kept.
 */
export type GuestState =
  | "Starting"
  | "Running"
  | "Suspended"
  | "HandedOver"
  | "Incoming"
  | "Stopped"
  | "Crashed"
  | "Lost";

/** One guest that the agent holds. */
export interface GuestReport {
  uid: string;
  namespace: string;
  name: string;
  epoch: number;
  state: GuestState;
  cpus: number;
  memoryBytes: number;
  image: string;
  /** The migration it takes part in. */
  migrationId?: string;
  /** Bytes of state that a migration begun now would have to move; absent when unknown. */
  stateBytes?: number;
  /** Boot in which the current state was entered. */
  bootId: string;
  reason?: string;
  message?: string;
}

/** Everything that source and target must agree on; checked at prepare, since QEMU accepts some differences silently. */
export interface GuestConfiguration {
  uid: string;
  namespace: string;
  name: string;
  cpus: number;
  memoryBytes: number;
  image: string;
  imageSha256: string;
  driver: DriverName;
  accelerator: string;
  machineType: string;
  cpuModel: string;
  /** Driver-specific devices in their order, such as `virtio-blk-pci`. */
  devices: string[];
  macAddress: string;
}

/** Every order carries the operator's term. Terms below the highest seen are refused with `StaleTerm`. */
export interface Order {
  term: number;
}

/** R1: the grant {uid, epoch, host} was recorded by compare-and-swap before this is sent. */
export interface StartOrder extends Order {
  uid: string;
  namespace: string;
  name: string;
  epoch: number;
  cpus: number;
  memoryBytes: number;
  image: string;
}

export interface StopOrder extends Order {
  uid: string;
  /** Seconds the guest is given to power down before its process is ended. */
  graceSeconds: number;
}

export interface AdoptOrder extends Order {
  uid: string;
  newUid: string;
}

export interface PrepareSourceOrder extends Order {
  migrationId: string;
  uid: string;
  /** The epoch under which the source holds the VM. */
  epoch: number;
}

export interface PrepareSourceAnswer {
  configuration: GuestConfiguration;
  /** Bytes of state expected to move. */
  stateBytes: number;
  /** SHA-256 fingerprint of the source's certificate for this migration, in hex. */
  fingerprint: string;
}

export interface PrepareTargetOrder extends Order {
  migrationId: string;
  epoch: number;
  configuration: GuestConfiguration;
  stateBytes: number;
  sourceFingerprint: string;
}

export interface PrepareTargetAnswer {
  fingerprint: string;
  /** Single-use; a reconnect needs a new prepare. */
  token: string;
  dataPort: number;
}

export interface BeginMigrationOrder extends Order {
  migrationId: string;
  uid: string;
  epoch: number;
  target: { address: string; dataPort: number; fingerprint: string; token: string };
  /** The source rolls back by itself when it has been suspended for longer without the target's vote (R3). */
  leaseSeconds: number;
}

export type MigrationRole = "Source" | "Target";

/** Where a migration stands at one agent. The names are those of design.md §4. */
export type MigrationStep =
  /** Source: nothing touched yet. Target: QEMU waits, capacity held. */
  | "Prepared"
  | "Suspending"
  | "Copying"
  /** Target: voted. It never discards and never resumes unasked. */
  | "Loaded"
  /** Source: the point of no return is passed. */
  | "HandedOver"
  /** Target: the guest runs under epoch + 1. Source: told so, about to release. */
  | "Running"
  /** Source: process and files are gone, a tombstone stays. */
  | "Released"
  /** Source runs it again, or target dropped what it had. */
  | "RolledBack"
  /** Target gave its copy up for good before it ever ran (R6). */
  | "Surrendered";

export interface MigrationReport {
  id: string;
  uid: string;
  role: MigrationRole;
  epoch: number;
  step: MigrationStep;
  /** True when nothing more will happen here without an order. */
  settled: boolean;
  /** Why it did not succeed. */
  reason?: string;
  message?: string;
  bytesDone: number;
  bytesTotal: number;
  /** Measured by the agent that saw both ends of the phase; absent until known. */
  measured: {
    suspendMilliseconds?: number;
    copyMilliseconds?: number;
    resumeMilliseconds?: number;
    /** From the guest's stop on the source until it ran on the target, by the source's clock. */
    downtimeMilliseconds?: number;
  };
}

export interface MigrationOrder extends Order {
  migrationId: string;
}

/** R6: the source takes the VM back under epoch + 2, only on the target's surrender. */
export interface ReclaimOrder extends MigrationOrder {
  epoch: number;
}

export interface HoldsOrder extends Order {
  holds: AgentHold[];
}

export type AgentEvent =
  /** First on every stream: whoever listens must read everything once. */
  | { type: "Hello"; agentUuid: string; bootId: string }
  | { type: "GuestChanged"; uid: string }
  | { type: "MigrationChanged"; uid: string; migrationId: string }
  | { type: "HostChanged" };

/** Reasons of the agent's refusals, in the body `{reason, message}` of an answer that is no success. */
export const agentReasons = {
  InvalidRequest: "InvalidRequest",
  NotFound: "NotFound",
  StaleTerm: "StaleTerm",
  StaleEpoch: "StaleEpoch",
  /** A tombstone forbids this epoch here. */
  Tombstoned: "Tombstoned",
  /** The guest or migration is in a state in which the order makes no sense. */
  WrongState: "WrongState",
  PastPointOfNoReturn: "PastPointOfNoReturn",
  HostFull: "HostFull",
  StateFolderFull: "StateFolderFull",
  HostHeld: "HostHeld",
  ImageMissing: "ImageMissing",
  Incompatible: "Incompatible",
  Busy: "Busy",
  SuspendFailed: "SuspendFailed",
  CopyFailed: "CopyFailed",
  LoadFailed: "LoadFailed",
  ResumeFailed: "ResumeFailed",
  StartFailed: "StartFailed",
  LeaseExpired: "LeaseExpired",
  Aborted: "Aborted",
  AgentRestarted: "AgentRestarted",
  GuestCrashed: "GuestCrashed",
  /**
   * The memory went with its host's boot (R4, R5). A source says so with step `Copying`, settled: go forward when the target
   * voted, else abort it. A target says so with step `Loaded`, settled: only `surrenderTarget` and `reclaimSource` are left.
   */
  StateLost: "StateLost",
  Internal: "Internal",
} as const;

export type AgentReason = (typeof agentReasons)[keyof typeof agentReasons];
