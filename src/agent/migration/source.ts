import type { AgentContext } from "../context.ts";
import type { ProcessState } from "../drivers/driver.ts";
import { requireGuest, saveGuest } from "../guests/guest-records.ts";
import type { GuestRecord, MigrationRecord } from "../journal/records.ts";
import type {
  BeginMigrationOrder,
  MigrationOrder,
  MigrationReport,
  PrepareSourceAnswer,
  PrepareSourceOrder,
  ReclaimOrder,
} from "../protocol/types.ts";
import { refusal } from "../refusal.ts";
import { acceptTerm } from "../terms.ts";
import { makeCertificate, type TransferCertificate } from "../transfer/certificate.ts";
import { reportOf, requireMigration, saveMigration, wrongStep } from "./migration-records.ts";
import type { CopyProgress } from "./progress.ts";
import { release } from "./release.ts";
import { finishRollBack, memoryGone, rollBack } from "./roll-back.ts";
import { SourceRun } from "./source-run.ts";

interface Prepared {
  certificate: TransferCertificate;
  answer: PrepareSourceAnswer;
}

/** Everything that can be asked of a migration's source. */
export class SourceMigrations {
  readonly #context: AgentContext;
  readonly #progress: CopyProgress;
  readonly #prepared = new Map<string, Prepared>();
  readonly #runs = new Map<string, SourceRun>();

  constructor(context: AgentContext, progress: CopyProgress) {
    this.#context = context;
    this.#progress = progress;
  }

  prepare(order: PrepareSourceOrder): Promise<PrepareSourceAnswer> {
    const { clock, driver, ending, guestLock, journal } = this.#context;
    return guestLock.run(order.uid, async () => {
      acceptTerm(journal, order.term);
      if (journal.migration(order.migrationId)) return this.#preparedAnswer(order);
      const guest = this.#requireMovable(order);
      const certificate = await makeCertificate(clock.now());
      const stateBytes = await driver.estimateStateBytes(guest.handle, ending);
      this.#record(order, stateBytes);
      const configuration = { ...guest.configuration, uid: guest.uid };
      const answer = { configuration, stateBytes, fingerprint: certificate.fingerprint };
      this.#prepared.set(order.migrationId, { certificate, answer });
      return answer;
    });
  }

  /** Answers as soon as the run is under way. */
  begin(order: BeginMigrationOrder): Promise<MigrationReport> {
    const { guestLock, journal, logger, stopping } = this.#context;
    return guestLock.run(order.uid, async () => {
      acceptTerm(journal, order.term);
      const migration = this.#require(order.migrationId);
      checkIdentity(migration, order);
      const prepared = this.#prepared.get(order.migrationId);
      if (migration.step !== "Prepared" || this.#runs.has(order.migrationId)) return reportOf(migration);
      if (prepared === undefined || stopping.aborted) throw wrongStep(migration, "begin");
      const run = new SourceRun(this.#context, order, prepared.certificate, this.#progress);
      this.#runs.set(order.migrationId, run);
      run.finished.then(() => {
        this.#runs.delete(order.migrationId);
        this.#prepared.delete(order.migrationId);
        logger.info({ migrationId: order.migrationId }, "source run ended");
      });
      return reportOf(migration);
    });
  }

  /** Rolls back; waits for it. */
  abort(order: MigrationOrder): Promise<MigrationReport> {
    return this.#locked(order, async () => {
      const cause = refusal("Aborted", "ordered by the operator");
      const run = this.#runs.get(order.migrationId);
      if (run && isBeforeHandOver(this.#require(order.migrationId))) {
        run.abort(cause);
        await run.finished;
      }
      const migration = this.#require(order.migrationId);
      if (isBeforeHandOver(migration) || isUnfinished(migration)) await rollBack(this.#context, migration.id, cause);
      else if (migration.step !== "RolledBack") {
        throw refusal("PastPointOfNoReturn", `migration ${migration.id} is ${migration.step}`);
      }
      this.#prepared.delete(order.migrationId);
    });
  }

  /** Step 6 on the operator's word that the target runs. */
  release(order: MigrationOrder): Promise<MigrationReport> {
    return this.#locked(order, async () => {
      await this.#letGo(order.migrationId);
      const migration = this.#require(order.migrationId);
      if (migration.step === "Released") return;
      const mayGo = migration.step === "HandedOver" || migration.step === "Running" || isStateLost(migration);
      if (!mayGo) throw wrongStep(migration, "release the source");
      await release(this.#context, migration.id);
    });
  }

  /** R6: the target surrendered; the guest runs here again under epoch + 2, or is lost if its memory is. */
  reclaim(order: ReclaimOrder): Promise<MigrationReport> {
    return this.#locked(order, async () => {
      await this.#letGo(order.migrationId);
      const migration = this.#require(order.migrationId);
      if (order.epoch !== migration.epoch + 2) {
        throw refusal("StaleEpoch", `epoch: is ${order.epoch}, a reclaim takes ${migration.epoch + 2}`);
      }
      const guest = requireGuest(this.#context, migration.uid);
      if (migration.step === "RolledBack" && guest.epoch >= order.epoch) {
        if (!migration.settled) await finishRollBack(this.#context, migration.id);
        return;
      }
      if (migration.step !== "HandedOver") throw wrongStep(migration, "reclaim");
      const isGone = guest.bootId !== this.#context.bootId;
      const reclaimed = { ...guest, epoch: order.epoch, state: isGone ? ("Lost" as const) : ("Suspended" as const) };
      this.#context.journal.transaction(() => {
        saveMigration(this.#context, { ...migration, step: "RolledBack", settled: false });
        saveGuest(this.#context, reclaimed);
      });
      await finishRollBack(this.#context, migration.id);
    });
  }

  /** Every run rolls back if it still can. */
  async stop(): Promise<void> {
    const runs = [...this.#runs.values()];
    for (const run of runs) run.abort(refusal("AgentRestarted", "the source's agent was asked to end"));
    await Promise.all(runs.map((run) => run.finished));
  }

  /** Brings one that an earlier agent left to its end. Before step 4 that is rolling back, as the connection went with the agent. */
  async takeUp(migration: MigrationRecord, process: ProcessState): Promise<void> {
    const cause = refusal("AgentRestarted", "the source's agent was restarted");
    const rebooted = migration.bootId !== this.#context.bootId;
    if (migration.step === "Running") return release(this.#context, migration.id);
    if (migration.step === "HandedOver") {
      if (!migration.settled) this.#context.journal.putMigration({ ...migration, settled: true });
      return;
    }
    if (migration.settled) return;
    if (migration.step === "Copying" && rebooted) return this.#noteLost(migration);
    await rollBack(this.#context, migration.id, cause);
    if (migration.step === "Prepared") this.#takeUpUntouched(migration.uid, rebooted, process);
  }

  #takeUpUntouched(uid: string, rebooted: boolean, process: ProcessState): void {
    const guest = requireGuest(this.#context, uid);
    if (guest.state !== "Running" || process === "Running" || process === "Paused") return;
    const reason = rebooted
      ? memoryGone
      : { reason: "GuestCrashed", message: "its process was gone when the agent came back" };
    saveGuest(this.#context, { ...guest, state: rebooted ? "Lost" : "Crashed", ...reason });
  }

  /** R5: the target may have voted. Whether to go forward is not for this host to decide. */
  #noteLost(migration: MigrationRecord): void {
    this.#context.journal.transaction(() => {
      saveMigration(this.#context, { ...migration, settled: true, ...memoryGone });
      saveGuest(this.#context, { ...requireGuest(this.#context, migration.uid), state: "Lost", ...memoryGone });
    });
  }

  async #locked(order: MigrationOrder, act: () => Promise<void>): Promise<MigrationReport> {
    const { uid } = this.#require(order.migrationId);
    return this.#context.guestLock.run(uid, async () => {
      acceptTerm(this.#context.journal, order.term);
      await act();
      return reportOf(this.#require(order.migrationId));
    });
  }

  /** The operator knows more than the connection: a run that waits for the target stops waiting. */
  async #letGo(migrationId: string): Promise<void> {
    const run = this.#runs.get(migrationId);
    if (run === undefined || isBeforeHandOver(this.#require(migrationId))) return;
    run.abort(refusal("Aborted", "ordered by the operator"));
    await run.finished;
  }

  #preparedAnswer(order: PrepareSourceOrder): PrepareSourceAnswer {
    const migration = this.#require(order.migrationId);
    checkIdentity(migration, order);
    const prepared = this.#prepared.get(order.migrationId);
    if (migration.step !== "Prepared" || prepared === undefined) throw wrongStep(migration, "prepare the source");
    return prepared.answer;
  }

  #requireMovable({ epoch, migrationId, uid }: PrepareSourceOrder): GuestRecord {
    const guest = requireGuest(this.#context, uid);
    if (guest.epoch !== epoch)
      throw refusal("StaleEpoch", `epoch: is ${epoch}, guest ${uid} is here under ${guest.epoch}`);
    if (guest.migrationId !== undefined) {
      throw refusal("Busy", `guest ${uid} takes part in migration ${guest.migrationId}, not in ${migrationId}`);
    }
    if (guest.state !== "Running")
      throw refusal("WrongState", `guest ${uid} is ${guest.state}; only a running one moves`);
    return guest;
  }

  #record(order: PrepareSourceOrder, stateBytes: number): void {
    const { bootId, journal } = this.#context;
    const { epoch, migrationId, uid } = order;
    journal.transaction(() => {
      const guest = this.#requireMovable(order);
      const fresh = { id: migrationId, uid, role: "Source", epoch, step: "Prepared", settled: false } as const;
      saveMigration(this.#context, { ...fresh, bytesDone: 0, bytesTotal: stateBytes, measured: {}, bootId });
      journal.putGuest({ ...guest, migrationId });
    });
  }

  #require(migrationId: string): MigrationRecord {
    return requireMigration(this.#context, migrationId, "Source");
  }
}

function checkIdentity(migration: MigrationRecord, order: { uid: string; epoch: number }): void {
  if (migration.uid === order.uid && migration.epoch === order.epoch) return;
  const known = `uid ${migration.uid}, epoch ${migration.epoch}`;
  throw refusal(
    "WrongState",
    `migration ${migration.id} is of ${known}, not of uid ${order.uid}, epoch ${order.epoch}`,
  );
}

function isBeforeHandOver({ step }: MigrationRecord): boolean {
  return step === "Prepared" || step === "Suspending" || step === "Copying";
}

function isUnfinished({ step, settled }: MigrationRecord): boolean {
  return step === "RolledBack" && !settled;
}

function isStateLost({ step, reason }: MigrationRecord): boolean {
  return step === "Copying" && reason === "StateLost";
}
