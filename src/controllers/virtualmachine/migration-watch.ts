import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../api/clock.ts";
import type { Migration, Views } from "./migration-record.ts";

interface Watched {
  views: Views;
  changedAtMilliseconds: number;
  begunAtMilliseconds?: number;
  writtenAtMilliseconds?: number;
  sourceSilentSinceMilliseconds?: number | undefined;
}

/** Nothing new from both agents for so long means that neither is at work. */
const stalledMilliseconds = 10_000;
/** How long the agents are given to begin after they were told to. */
const beginMilliseconds = 5_000;
/** A source that is silent for so long after the target runs is not waited for; its copy is cleared away later. */
const patienceMilliseconds = 60_000;
const betweenWritesMilliseconds = 1_000;

/**
 * What this process has seen of running migrations. It paces and never decides who holds a VM: a new process starts
 * with nothing and comes to the same end.
 */
export class MigrationWatch {
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes in what the agents say now. Returns whether this process has seen the migration before. */
  see(id: string, views: Views): boolean {
    const now = this.#clock.monotonicMilliseconds();
    const before = this.#watched.get(id);
    const isSame = before !== undefined && isDeepStrictEqual(before.views, views);
    const sourceSilentSinceMilliseconds =
      views.source.kind === "Silent" ? (before?.sourceSilentSinceMilliseconds ?? now) : undefined;
    const changedAtMilliseconds = isSame ? before.changedAtMilliseconds : now;
    this.#watched.set(id, { ...before, views, changedAtMilliseconds, sourceSilentSinceMilliseconds });
    return before !== undefined;
  }

  isStalled(id: string): boolean {
    return this.#passedSince(this.#watched.get(id)?.changedAtMilliseconds) >= stalledMilliseconds;
  }

  isSourceGivenTime(id: string): boolean {
    const since = this.#watched.get(id)?.sourceSilentSinceMilliseconds;
    return since === undefined || this.#passedSince(since) < patienceMilliseconds;
  }

  begun(id: string): void {
    const watched = this.#watched.get(id);
    if (watched) watched.begunAtMilliseconds = this.#clock.monotonicMilliseconds();
  }

  /** The agents were told to begin by this process, and have not had the time to. */
  isBeginning(id: string): boolean {
    const begunAt = this.#watched.get(id)?.begunAtMilliseconds;
    return begunAt !== undefined && this.#passedSince(begunAt) < beginMilliseconds;
  }

  /** Milliseconds until bytes alone are worth a write of status again; zero when they are now. */
  nextWriteMilliseconds(before: Migration, after: Migration): number {
    if (before.step !== after.step) return 0;
    const writtenAt = this.#watched.get(before.id)?.writtenAtMilliseconds;
    return writtenAt === undefined ? 0 : Math.max(0, betweenWritesMilliseconds - this.#passedSince(writtenAt));
  }

  wrote(id: string): void {
    const watched = this.#watched.get(id);
    if (watched) watched.writtenAtMilliseconds = this.#clock.monotonicMilliseconds();
  }

  forget(id: string): void {
    this.#watched.delete(id);
  }

  #passedSince(milliseconds: number | undefined): number {
    return this.#clock.monotonicMilliseconds() - (milliseconds ?? this.#clock.monotonicMilliseconds());
  }
}
