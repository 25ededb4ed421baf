import type { AgentContext } from "../context.ts";
import type { MigrationReport } from "../protocol/types.ts";

const quietMilliseconds = 250;

interface Progress {
  bytesDone: number;
  bytesTotal: number;
}

/** How far the copies under way are. Not in the journal: it changes with every block, and is worth nothing after a restart. */
export class CopyProgress {
  readonly #context: AgentContext;
  readonly #known = new Map<string, Progress>();
  readonly #told = new Map<string, number>();

  constructor(context: AgentContext) {
    this.#context = context;
  }

  /** Tells the listeners too, at most four times a second a migration. */
  update(migrationId: string, uid: string, progress: Progress): void {
    this.#known.set(migrationId, { ...progress });
    const now = this.#context.clock.monotonicMilliseconds();
    if (now - (this.#told.get(migrationId) ?? Number.NEGATIVE_INFINITY) < quietMilliseconds) return;
    this.#told.set(migrationId, now);
    this.#context.events.emit({ type: "MigrationChanged", uid, migrationId });
  }

  end(migrationId: string): void {
    this.#known.delete(migrationId);
    this.#told.delete(migrationId);
  }

  applyTo(report: MigrationReport): MigrationReport {
    return { ...report, ...this.#known.get(report.id) };
  }
}
