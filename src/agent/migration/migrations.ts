import type { AgentContext } from "../context.ts";
import type { ProcessState } from "../drivers/driver.ts";
import type { MigrationRecord } from "../journal/records.ts";
import type {
  BeginMigrationOrder,
  MigrationOrder,
  MigrationReport,
  PrepareSourceAnswer,
  PrepareSourceOrder,
  PrepareTargetAnswer,
  PrepareTargetOrder,
  ReclaimOrder,
} from "../protocol/types.ts";
import { refusal } from "../refusal.ts";
import { acceptTerm } from "../terms.ts";
import type { TransferListener } from "../transfer/listener.ts";
import { reportOf, wrongStep } from "./migration-records.ts";
import { CopyProgress } from "./progress.ts";
import { SourceMigrations } from "./source.ts";
import { TargetMigrations } from "./target.ts";

/** All migrations of this host, as source or target. */
export class Migrations {
  readonly #context: AgentContext;
  readonly #progress: CopyProgress;
  readonly #source: SourceMigrations;
  readonly #target: TargetMigrations;

  constructor(context: AgentContext, listener: TransferListener) {
    this.#context = context;
    this.#progress = new CopyProgress(context);
    this.#source = new SourceMigrations(context, this.#progress);
    this.#target = new TargetMigrations(context, listener, this.#progress);
  }

  list(): MigrationReport[] {
    return this.#context.journal.migrations().map((migration) => this.#progress.applyTo(reportOf(migration)));
  }

  find(id: string): MigrationReport | undefined {
    const migration = this.#context.journal.migration(id);
    return migration && this.#progress.applyTo(reportOf(migration));
  }

  prepareSource(order: PrepareSourceOrder): Promise<PrepareSourceAnswer> {
    return this.#source.prepare(order);
  }

  prepareTarget(order: PrepareTargetOrder): Promise<PrepareTargetAnswer> {
    return this.#target.prepare(order);
  }

  begin(order: BeginMigrationOrder): Promise<MigrationReport> {
    return this.#source.begin(order);
  }

  async abort(order: MigrationOrder): Promise<MigrationReport> {
    const isSource = this.#require(order.migrationId).role === "Source";
    return isSource ? this.#source.abort(order) : this.#target.abort(order);
  }

  discardTarget(order: MigrationOrder): Promise<MigrationReport> {
    return this.#target.discard(order);
  }

  resumeTarget(order: MigrationOrder): Promise<MigrationReport> {
    return this.#target.resume(order);
  }

  releaseSource(order: MigrationOrder): Promise<MigrationReport> {
    return this.#source.release(order);
  }

  surrenderTarget(order: MigrationOrder): Promise<MigrationReport> {
    return this.#target.surrender(order);
  }

  reclaimSource(order: ReclaimOrder): Promise<MigrationReport> {
    return this.#source.reclaim(order);
  }

  /** Removes an ended migration from the journal. Tombstones stay. */
  async forget(order: MigrationOrder): Promise<void> {
    const { journal } = this.#context;
    acceptTerm(journal, order.term);
    const migration = journal.migration(order.migrationId);
    if (migration === undefined) return;
    if (!hasEnded(migration)) throw wrongStep(migration, "forget it");
    journal.removeMigration(migration.id);
  }

  /** Once, before anything is served. One that cannot be brought to its end stays unsettled, and keeps no other from it. */
  async takeUp(processes: Map<string, ProcessState>): Promise<void> {
    const { journal, logger } = this.#context;
    for (const migration of journal.migrations()) {
      const handle = journal.guest(migration.uid)?.handle ?? migration.uid;
      const isTarget = migration.role === "Target";
      try {
        if (isTarget) await this.#target.takeUp(migration);
        else await this.#source.takeUp(migration, processes.get(handle) ?? "Absent");
      } catch (error) {
        logger.error({ err: error, migrationId: migration.id }, "migration not taken up");
      }
    }
  }

  /** Ends what is under way, or gives up waiting for it after `stopMilliseconds`. */
  async stop(): Promise<void> {
    const { clock, limits } = this.#context;
    const inTime = new AbortController();
    const patience = clock.sleep(limits.stopMilliseconds, inTime.signal).catch(() => {});
    await Promise.race([Promise.all([this.#source.stop(), this.#target.stop()]), patience]);
    inTime.abort();
  }

  #require(id: string): MigrationRecord {
    const migration = this.#context.journal.migration(id);
    if (migration === undefined) throw refusal("NotFound", `no migration ${id} is known to this host`);
    return migration;
  }
}

/** Nothing more can become of it. A target that runs but could not be resumed still needs an order. */
function hasEnded({ reason, role, settled, step }: MigrationRecord): boolean {
  if (!settled) return false;
  if (step === "Running") return role === "Target" && reason !== "ResumeFailed";
  return step === "Released" || step === "RolledBack" || step === "Surrendered";
}
