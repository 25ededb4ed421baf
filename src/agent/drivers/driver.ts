import type { DriverName, GuestConfiguration, HostCapacity, StateLanding } from "../protocol/types.ts";

/** What a driver is and what it has to give. */
export interface DriverDescription {
  accelerator: string;
  cpuModel: string;
  machineType: string;
  stateLanding: StateLanding;
  capacity: HostCapacity;
  images: { name: string; sha256: string }[];
}

/** What is true of a guest's process now. `Absent`: there is none. `Waiting`: started for an incoming guest, nothing loaded. */
export type ProcessState = "Running" | "Paused" | "Waiting" | "Absent";

/** The pieces of a suspended guest, in the order in which they travel. No other name is taken from the wire. */
export const statePartNames = ["memory", "disk", "device"] as const;
export type StatePartName = (typeof statePartNames)[number];

/** One piece of a suspended guest: its memory, its disk overlay, its device state. */
export interface StatePart {
  name: StatePartName;
  /** Length of the file, holes included. */
  sizeBytes: number;
  /** Ranges that hold data, ascending, not overlapping. Ranges of zeros may be among them; the transfer skips those. */
  extents: { offset: number; lengthBytes: number }[];
  /** Fills the buffer from the offset on. */
  read(offset: number, buffer: Buffer, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Where one arriving part is put. What is not written reads as zeros. */
export interface StateSink {
  name: StatePartName;
  write(offset: number, data: Buffer, signal: AbortSignal): Promise<void>;
  /** All is written; durable afterwards where state lands on disk. */
  finish(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * Hides which VM software runs on a host. Knows processes and files, and nothing of migrations, epochs or holds.
 * Guests are named by uid. Every method is idempotent, and rejects with `DriverError`.
 */
export interface Driver {
  readonly name: DriverName;

  describe(signal: AbortSignal): Promise<DriverDescription>;
  /** Completes what is asked for with what this host gives. Rejects with `ImageMissing`. */
  configure(
    wanted: Pick<GuestConfiguration, "uid" | "namespace" | "name" | "cpus" | "memoryBytes" | "image">,
    signal: AbortSignal,
  ): Promise<GuestConfiguration>;
  /** Rejects with `Incompatible`, naming the first difference, when this host could not run the guest; with `ImageMissing`. */
  checkCompatible(configuration: GuestConfiguration, signal: AbortSignal): Promise<void>;

  /** Looks for processes that outlived the agent and reconnects to them. Called once before anything else. */
  recover(uids: string[], signal: AbortSignal): Promise<Map<string, ProcessState>>;
  processState(uid: string): Promise<ProcessState>;
  /** Calls back when a guest's process ends or its guest powers off, unasked. */
  onExit(listener: (uid: string, cause: "PoweredOff" | "Died") => void): void;

  /** Cold boot from the guest's disk, which is made over the base image when absent. Resolves when the guest's CPUs run. */
  boot(configuration: GuestConfiguration, signal: AbortSignal): Promise<void>;
  /** Asks the guest to power down and ends its process after the grace time. The disk stays, memory goes. */
  powerOff(uid: string, graceSeconds: number, signal: AbortSignal): Promise<void>;
  /** Ends the process, if any, and removes every file of the guest. */
  discard(uid: string, signal: AbortSignal): Promise<void>;
  console(uid: string, bytes: number): Promise<string>;
  /** Bytes that a suspend now would leave to move; cheap enough to be asked every few seconds. */
  estimateStateBytes(uid: string, signal: AbortSignal): Promise<number>;

  /** Stops the guest and completes its state. The process is kept, paused. */
  suspend(uid: string, signal: AbortSignal): Promise<void>;
  /** The state of a suspended guest, device state last. */
  stateParts(uid: string, signal: AbortSignal): Promise<StatePart[]>;
  /**
   * Invalidates the device state (R10), then lets the suspended guest run on here. Works in the same boot only.
   * A process that died while paused is replaced by one that loads the same pair, as long as the device state is still
   * valid; otherwise rejects with `GuestCrashed`. A guest that runs already is left alone.
   */
  unsuspend(uid: string, signal: AbortSignal): Promise<void>;

  /** Space for the state is taken and a process waits for it, loading nothing yet. Rejects with `StateFolderFull`. */
  prepareIncoming(configuration: GuestConfiguration, stateBytes: number, signal: AbortSignal): Promise<void>;
  openSink(uid: string, part: { name: StatePartName; sizeBytes: number }, signal: AbortSignal): Promise<StateSink>;
  /**
   * Loads the arrived state; the guest stays paused. Rejects with `LoadFailed`. When the waiting or loaded process is
   * gone, starts another one over the same files, which nothing has used yet; a guest already loaded is left alone.
   */
  load(uid: string, signal: AbortSignal): Promise<void>;
  /** Durably invalidates the device state (R10), then lets the loaded guest run. A guest that runs already is left alone. */
  resume(uid: string, signal: AbortSignal): Promise<void>;

  /** The agent ends; guests go on. */
  close(): Promise<void>;
}

/** A driver's failure. `reason` is one of `agentReasons`. */
export class DriverError extends Error {
  override readonly name = "DriverError";
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
