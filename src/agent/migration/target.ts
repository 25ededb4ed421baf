import type { AgentContext } from "../context.ts";
import { checkHolds, checkName, checkRoom } from "../guests/admission.ts";
import { freed, requireGuest, saveGuest } from "../guests/guest-records.ts";
import type { MigrationRecord } from "../journal/records.ts";
import type {
  HostCapacity,
  MigrationOrder,
  MigrationReport,
  PrepareTargetAnswer,
  PrepareTargetOrder,
} from "../protocol/types.ts";
import { refusal } from "../refusal.ts";
import { acceptTerm } from "../terms.ts";
import { makeCertificate } from "../transfer/certificate.ts";
import type { Channel } from "../transfer/channel.ts";
import type { TransferListener } from "../transfer/listener.ts";
import { reportOf, requireMigration, saveMigration, wrongStep } from "./migration-records.ts";
import type { CopyProgress } from "./progress.ts";
import { memoryGone } from "./roll-back.ts";
import { dropTarget, finishDrop } from "./target-drop.ts";
import { finishResume, resumeTarget } from "./target-resume.ts";
import { TargetRun } from "./target-run.ts";

interface Prepared {
  answer: PrepareTargetAnswer;
  timeout: AbortController;
}

/** Everything that can be asked of a migration's target. */
export class TargetMigrations {
  readonly #context: AgentContext;
  readonly #listener: TransferListener;
  readonly #progress: CopyProgress;
  readonly #prepared = new Map<string, Prepared>();
  readonly #runs = new Map<string, TargetRun>();

  constructor(context: AgentContext, listener: TransferListener, progress: CopyProgress) {
    this.#context = context;
    this.#listener = listener;
    this.#progress = progress;
  }

  /** Step 1. */
  prepare(order: PrepareTargetOrder): Promise<PrepareTargetAnswer> {
    const { clock, driver, ending, guestLock, journal } = this.#context;
    const { configuration } = order;
    return guestLock.run(configuration.uid, async () => {
      acceptTerm(journal, order.term);
      if (journal.migration(order.migrationId)) return this.#preparedAnswer(order);
      this.#checkWelcome(order);
      await driver.checkCompatible(configuration, ending);
      const { capacity } = await driver.describe(ending);
      const certificate = await makeCertificate(clock.now());
      this.#admit(order, capacity);
      try {
        await driver.prepareIncoming(configuration, order.stateBytes, ending);
      } catch (error) {
        await this.#unprepare(order);
        throw error;
      }
      const { migrationId, epoch, sourceFingerprint } = order;
      const onChannel = (channel: Channel) => this.#start(migrationId, channel);
      const { uid } = configuration;
      const token = this.#listener.expect({ migrationId, uid, epoch, sourceFingerprint, certificate, onChannel });
      const answer = { fingerprint: certificate.fingerprint, token, dataPort: this.#listener.port };
      this.#prepared.set(migrationId, { answer, timeout: this.#dropWhenUnused(migrationId) });
      return answer;
    });
  }

  /** Before the vote everything is dropped. */
  abort(order: MigrationOrder): Promise<MigrationReport> {
    return this.#locked(order, async () => {
      const cause = refusal("Aborted", "ordered by the operator");
      await this.#endArrival(order.migrationId, cause);
      const migration = this.#require(order.migrationId);
      if (migration.step === "Loaded" || migration.step === "Running") {
        throw refusal("PastPointOfNoReturn", `migration ${migration.id} is ${migration.step}: this target voted`);
      }
      await dropTarget(this.#context, migration.id, "RolledBack", cause);
    });
  }

  /** On the operator's word that the source has rolled back. */
  discard(order: MigrationOrder): Promise<MigrationReport> {
    return this.#locked(order, async () => {
      const cause = refusal("Aborted", "the source has rolled back");
      await this.#endArrival(order.migrationId, cause);
      this.#runs.get(order.migrationId)?.abort(cause);
      await dropTarget(this.#context, order.migrationId, "RolledBack", cause);
    });
  }

  /** R6: for good. Refused once `running` was journalled. */
  surrender(order: MigrationOrder): Promise<MigrationReport> {
    return this.#locked(order, async () => {
      const cause = refusal("Aborted", "surrendered on the operator's order");
      await this.#endArrival(order.migrationId, cause);
      this.#runs.get(order.migrationId)?.abort(cause);
      await dropTarget(this.#context, order.migrationId, "Surrendered", cause);
    });
  }

  /** Step 5 on the operator's word that the source handed over, or cannot run it any more (R5). */
  resume(order: MigrationOrder): Promise<MigrationReport> {
    return this.#locked(order, () => resumeTarget(this.#context, order.migrationId));
  }

  /** What did not vote is dropped by the next start; what did waits. */
  async stop(): Promise<void> {
    for (const prepared of this.#prepared.values()) prepared.timeout.abort();
    const runs = [...this.#runs.values()];
    for (const run of runs) run.abort(refusal("AgentRestarted", "the target's agent was asked to end"));
    await Promise.all(runs.map((run) => run.finished));
  }

  /** Brings one that an earlier agent left to its end, or to where an order is needed. */
  async takeUp(migration: MigrationRecord): Promise<void> {
    const rebooted = migration.bootId !== this.#context.bootId;
    const cause = refusal("AgentRestarted", "the target's agent was restarted");
    switch (migration.step) {
      case "Prepared":
      case "Copying":
        return dropTarget(this.#context, migration.id, "RolledBack", cause);
      case "Loaded":
        return this.#takeUpLoaded(migration, rebooted);
      case "Running":
        if (!migration.settled) await this.#takeUpRunning(migration, rebooted);
        return;
      default:
        return finishDrop(this.#context, migration.id);
    }
  }

  /** It voted, so it stays. What was in RAM is gone with the boot, and only surrender is left. */
  async #takeUpLoaded(migration: MigrationRecord, rebooted: boolean): Promise<void> {
    const { driver, ending, journal } = this.#context;
    const isInRam = rebooted && (await driver.describe(ending)).stateLanding === "RAM";
    if (isInRam) saveMigration(this.#context, { ...migration, settled: true, ...memoryGone });
    else if (!migration.settled) journal.putMigration({ ...migration, settled: true });
  }

  async #takeUpRunning(migration: MigrationRecord, rebooted: boolean): Promise<void> {
    if (!rebooted) {
      const resumed = finishResume(this.#context, migration.id);
      return resumed.catch((error) => {
        if (this.#require(migration.id).settled) return; // what became of it is in the journal
        throw error;
      });
    }
    const guest = freed(requireGuest(this.#context, migration.uid));
    this.#context.journal.transaction(() => {
      saveMigration(this.#context, { ...migration, settled: true, ...memoryGone });
      saveGuest(this.#context, { ...guest, state: "Lost", ...memoryGone });
    });
  }

  #start(migrationId: string, channel: Channel): void {
    if (this.#context.stopping.aborted) {
      channel.destroy(refusal("AgentRestarted", "the agent ends"));
      return;
    }
    this.#forgetPrepared(migrationId);
    const run = new TargetRun(this.#context, migrationId, channel, this.#progress);
    this.#runs.set(migrationId, run);
    run.finished.then(() => this.#runs.delete(migrationId));
  }

  /** Ends what has not voted yet, and waits until it has either dropped everything or voted after all. */
  async #endArrival(migrationId: string, cause: Error): Promise<void> {
    this.#forgetPrepared(migrationId);
    const { step } = this.#require(migrationId);
    const run = this.#runs.get(migrationId);
    if (run === undefined || (step !== "Prepared" && step !== "Copying")) return;
    run.abort(cause);
    await run.decided;
  }

  #checkWelcome({ configuration, epoch }: PrepareTargetOrder): void {
    const { clock, journal } = this.#context;
    const { uid } = configuration;
    const tombstone = journal.tombstone(uid);
    if (tombstone !== undefined && epoch <= tombstone) {
      throw refusal("Tombstoned", `epoch ${epoch} of ${uid} is not above ${tombstone}, which left this host`);
    }
    const guest = journal.guest(uid);
    if (guest) throw refusal("WrongState", `guest ${uid} is here already: ${guest.state} under epoch ${guest.epoch}`);
    checkName(journal.guests(), configuration);
    checkHolds(journal.holds, configuration, clock.now());
  }

  /** Checks and takes the room in one step: two migrations cannot both get the last of it. */
  #admit(order: PrepareTargetOrder, capacity: HostCapacity): void {
    const { bootId, journal } = this.#context;
    const { configuration, epoch, migrationId, stateBytes } = order;
    const { uid } = configuration;
    journal.transaction(() => {
      this.#checkWelcome(order);
      checkRoom(journal.guests(), capacity, configuration);
      const fresh = { id: migrationId, uid, role: "Target", epoch, step: "Prepared", settled: false } as const;
      saveMigration(this.#context, { ...fresh, bytesDone: 0, bytesTotal: stateBytes, measured: {}, bootId });
      saveGuest(this.#context, { uid, handle: uid, epoch, state: "Incoming", configuration, bootId, migrationId });
    });
  }

  async #unprepare({ configuration, migrationId }: PrepareTargetOrder): Promise<void> {
    const { driver, ending, events, journal } = this.#context;
    await driver.discard(configuration.uid, ending);
    journal.transaction(() => {
      journal.removeGuest(configuration.uid);
      journal.removeMigration(migrationId);
    });
    events.emit({ type: "GuestChanged", uid: configuration.uid });
  }

  #preparedAnswer(order: PrepareTargetOrder): PrepareTargetAnswer {
    const migration = this.#require(order.migrationId);
    const prepared = this.#prepared.get(order.migrationId);
    const isSame = migration.uid === order.configuration.uid && migration.epoch === order.epoch;
    if (!isSame || migration.step !== "Prepared" || prepared === undefined) {
      throw wrongStep(migration, "prepare the target");
    }
    return prepared.answer;
  }

  #dropWhenUnused(migrationId: string): AbortController {
    const { clock, guestLock, limits, logger } = this.#context;
    const timeout = new AbortController();
    const waiting = clock.sleep(limits.preparedMilliseconds, timeout.signal).catch(() => "used" as const);
    const done = waiting.then(async (outcome) => {
      if (outcome === "used") return;
      await guestLock.run(this.#require(migrationId).uid, async () => {
        if (this.#context.journal.migration(migrationId)?.step !== "Prepared") return;
        this.#forgetPrepared(migrationId);
        const seconds = limits.preparedMilliseconds / 1000;
        const cause = refusal("Aborted", `no source connected within ${seconds} s`);
        await dropTarget(this.#context, migrationId, "RolledBack", cause);
      });
    });
    done.catch((error) => logger.error({ err: error, migrationId }, "unused target not dropped"));
    return timeout;
  }

  #forgetPrepared(migrationId: string): void {
    this.#listener.forget(migrationId);
    this.#prepared.get(migrationId)?.timeout.abort();
    this.#prepared.delete(migrationId);
  }

  async #locked(order: MigrationOrder, act: () => Promise<void>): Promise<MigrationReport> {
    const { uid } = this.#require(order.migrationId);
    return this.#context.guestLock.run(uid, async () => {
      acceptTerm(this.#context.journal, order.term);
      await act();
      return reportOf(this.#require(order.migrationId));
    });
  }

  #require(migrationId: string): MigrationRecord {
    return requireMigration(this.#context, migrationId, "Target");
  }
}
