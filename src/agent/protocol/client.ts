import type {
  AdoptOrder,
  AgentEvent,
  BeginMigrationOrder,
  GuestReport,
  HoldsOrder,
  HostReport,
  MigrationOrder,
  MigrationReport,
  PrepareSourceAnswer,
  PrepareSourceOrder,
  PrepareTargetAnswer,
  PrepareTargetOrder,
  ReclaimOrder,
  StartOrder,
  StopOrder,
} from "./types.ts";

/**
 * What an agent can be asked. Every order is idempotent: sent again it answers the same without doing it twice.
 * All reject with `AgentError` when the agent refuses, and with the signal's reason when aborted.
 */
export interface AgentClient {
  /** GET /v1/host */
  host(signal?: AbortSignal): Promise<HostReport>;
  /** GET /v1/guests: the live inventory. */
  guests(signal?: AbortSignal): Promise<GuestReport[]>;
  /** GET /v1/guests/{uid}; undefined when the agent does not hold it. */
  guest(uid: string, signal?: AbortSignal): Promise<GuestReport | undefined>;
  /** GET /v1/guests/{uid}/console?bytes=N: the last bytes of the guest's serial port. */
  console(uid: string, bytes: number, signal?: AbortSignal): Promise<string>;
  /** POST /v1/guests/{uid}/start: cold boot from its disk here, or from a new disk over the base image. Answers once it runs. */
  start(order: StartOrder, signal?: AbortSignal): Promise<GuestReport>;
  /** POST /v1/guests/{uid}/stop: powers the guest down; its disk stays. */
  stop(order: StopOrder, signal?: AbortSignal): Promise<GuestReport>;
  /** POST /v1/guests/{uid}/adopt: the guest from now on belongs to another uid. */
  adopt(order: AdoptOrder, signal?: AbortSignal): Promise<GuestReport>;
  /** POST /v1/guests/{uid}/discard: ends the guest and removes all its files; a tombstone with its epoch stays. */
  discard(order: { term: number; uid: string }, signal?: AbortSignal): Promise<void>;
  /** PUT /v1/holds: all holds that are closed now, replacing what was there. Durable. */
  setHolds(order: HoldsOrder, signal?: AbortSignal): Promise<void>;

  /** GET /v1/migrations: all that were not forgotten yet. */
  migrations(signal?: AbortSignal): Promise<MigrationReport[]>;
  /** GET /v1/migrations/{id} */
  migration(id: string, signal?: AbortSignal): Promise<MigrationReport | undefined>;
  /** POST /v1/migrations/{id}/prepare-source: makes the certificate, says what the guest is and how much there is to move. */
  prepareSource(order: PrepareSourceOrder, signal?: AbortSignal): Promise<PrepareSourceAnswer>;
  /** POST /v1/migrations/{id}/prepare-target (step 1): checks, holds space and capacity, starts the waiting QEMU and the listener. */
  prepareTarget(order: PrepareTargetOrder, signal?: AbortSignal): Promise<PrepareTargetAnswer>;
  /** POST /v1/migrations/{id}/begin: the source goes through steps 2 to 6 with the target. Answers at once; watch the events. */
  beginMigration(order: BeginMigrationOrder, signal?: AbortSignal): Promise<MigrationReport>;
  /** POST /v1/migrations/{id}/abort on either side. A source rolls back unless past step 4; a target that voted refuses until told `discardTarget`. */
  abortMigration(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport>;
  /** POST /v1/migrations/{id}/discard-target: only after the source has durably rolled back. */
  discardTarget(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport>;
  /** POST /v1/migrations/{id}/resume-target (step 5), only when the source was seen `HandedOver`, or its state is gone and the target voted (R5). */
  resumeTarget(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport>;
  /** POST /v1/migrations/{id}/release-source (step 6), only when the target was seen `Running`. */
  releaseSource(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport>;
  /** POST /v1/migrations/{id}/surrender-target: gives its copy up for good; refused once `running` was journalled (R6). */
  surrenderTarget(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport>;
  /** POST /v1/migrations/{id}/reclaim-source: only after the target's surrender, under epoch + 2. */
  reclaimSource(order: ReclaimOrder, signal?: AbortSignal): Promise<MigrationReport>;
  /** POST /v1/migrations/{id}/forget: the result is recorded elsewhere; the journal's entry may go. Refused while unsettled. */
  forgetMigration(order: MigrationOrder, signal?: AbortSignal): Promise<void>;

  /** GET /v1/events: one JSON object a line; the first is `Hello`. Ends when the connection does. */
  events(signal?: AbortSignal): AsyncIterable<AgentEvent>;
}

/** An agent's refusal. `reason` is one of `agentReasons`. */
export class AgentError extends Error {
  override readonly name = "AgentError";
  readonly reason: string;
  /** HTTP status of the answer. */
  readonly status: number;

  constructor(reason: string, message: string, status: number) {
    super(message);
    this.reason = reason;
    this.status = status;
  }
}
