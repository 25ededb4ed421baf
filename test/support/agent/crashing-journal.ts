import { Journal } from "../../../src/agent/journal/journal.ts";
import type { GuestRecord, MigrationRecord } from "../../../src/agent/journal/records.ts";
import type { AgentHold } from "../../../src/agent/protocol/types.ts";
import type { FaultPoints } from "./fault-points.ts";

/** A journal that passes a fault point before and after each durable change. */
export class CrashingJournal extends Journal {
  readonly #faults: FaultPoints;
  #depth = 0;

  constructor(directory: string, faults: FaultPoints) {
    super(directory);
    this.#faults = faults;
  }

  override transaction<Result>(change: () => Result): Result {
    return this.#change("transaction", () => super.transaction(change));
  }

  override get term(): number {
    return super.term;
  }

  override set term(term: number) {
    this.#change("term", () => {
      super.term = term;
    });
  }

  override get holds(): AgentHold[] {
    return super.holds;
  }

  override set holds(holds: AgentHold[]) {
    this.#change("holds", () => {
      super.holds = holds;
    });
  }

  override putGuest(guest: GuestRecord): void {
    this.#change(`guest ${guest.state}`, () => super.putGuest(guest));
  }

  override removeGuest(uid: string): void {
    this.#change("guest removed", () => super.removeGuest(uid));
  }

  override putMigration(migration: MigrationRecord): void {
    this.#change(`migration ${migration.step}`, () => super.putMigration(migration));
  }

  override removeMigration(id: string): void {
    this.#change("migration removed", () => super.removeMigration(id));
  }

  override raiseTombstone(uid: string, epoch: number): void {
    this.#change("tombstone", () => super.raiseTombstone(uid, epoch));
  }

  #change<Result>(name: string, change: () => Result): Result {
    if (this.#depth > 0) return change();
    this.#faults?.reach(`journal: ${name}`); // the fields are set after the base class wrote its first facts
    this.#depth++;
    try {
      return change();
    } finally {
      this.#depth--;
      this.#faults?.reach(`journal: ${name}, written`);
    }
  }
}
