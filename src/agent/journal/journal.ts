import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { AgentHold } from "../protocol/types.ts";
import type { GuestRecord, MigrationRecord } from "./records.ts";

const formatVersion = 1;

const schema = `
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS guests (uid TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS migrations (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS tombstones (uid TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** The journal cannot be opened. The message says which folder, and what is wrong with it. */
export class JournalError extends Error {
  override readonly name = "JournalError";
}

/**
 * What the agent must not forget (R4). The database is the only copy: nothing is kept beside it in memory, so what a
 * decision reads is what is on disk. Every change is synced before the call returns, and calls do not yield: a read and the
 * write that depends on it are one step, which is how two orders cannot both win.
 *
 * The open journal also keeps a second agent from the same folder; the lock goes with the process.
 */
export class Journal {
  readonly agentUuid: string;
  readonly #database: DatabaseSync;

  /**
   * @param directory on persistent disk; made with mode 0700 when absent
   * @throws {JournalError} when another agent has it, it cannot be written, or its format is newer
   */
  constructor(directory: string) {
    const path = join(directory, "journal.sqlite");
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      closeSync(openSync(path, "a", 0o600)); // SQLite gives its other files the same mode
      this.#database = new DatabaseSync(path);
    } catch (error) {
      throw new JournalError(`data directory ${directory}: ${messageOf(error)}`, { cause: error });
    }
    try {
      this.#database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      this.#database.exec("BEGIN IMMEDIATE; COMMIT");
      this.#database.exec(schema);
      this.#checkFormat(directory);
      this.agentUuid = this.#fact("agentUuid") ?? this.#setFact("agentUuid", randomUUID());
    } catch (error) {
      this.#database.close();
      if (error instanceof JournalError) throw error;
      throw new JournalError(`data directory ${directory}: ${explain(error)}`, { cause: error });
    }
  }

  /** Changes inside are on disk together or not at all. May be nested; throws what the function throws. */
  transaction<Result>(change: () => Result): Result {
    if (this.#database.isTransaction) return change();
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = change();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  get term(): number {
    return Number(this.#fact("term") ?? 0);
  }

  set term(term: number) {
    this.#setFact("term", String(term));
  }

  get holds(): AgentHold[] {
    return JSON.parse(this.#fact("holds") ?? "[]");
  }

  set holds(holds: AgentHold[]) {
    this.#setFact("holds", JSON.stringify(holds));
  }

  guest(uid: string): GuestRecord | undefined {
    return this.#document("SELECT document FROM guests WHERE uid = ?", uid);
  }

  guests(): GuestRecord[] {
    return this.#documents("SELECT document FROM guests ORDER BY uid");
  }

  putGuest(guest: GuestRecord): void {
    this.#run("INSERT OR REPLACE INTO guests VALUES (?, ?)", guest.uid, JSON.stringify(guest));
  }

  removeGuest(uid: string): void {
    this.#run("DELETE FROM guests WHERE uid = ?", uid);
  }

  migration(id: string): MigrationRecord | undefined {
    return this.#document("SELECT document FROM migrations WHERE id = ?", id);
  }

  migrations(): MigrationRecord[] {
    return this.#documents("SELECT document FROM migrations ORDER BY id");
  }

  putMigration(migration: MigrationRecord): void {
    this.#run("INSERT OR REPLACE INTO migrations VALUES (?, ?)", migration.id, JSON.stringify(migration));
  }

  removeMigration(id: string): void {
    this.#run("DELETE FROM migrations WHERE id = ?", id);
  }

  /** The highest epoch that this host gave away; it never runs it or an earlier one. Undefined when there is none. */
  tombstone(uid: string): number | undefined {
    const row = this.#database.prepare("SELECT epoch FROM tombstones WHERE uid = ?").get(uid);
    return row === undefined ? undefined : Number(row.epoch);
  }

  raiseTombstone(uid: string, epoch: number): void {
    this.#run(
      "INSERT INTO tombstones VALUES (?, ?) ON CONFLICT (uid) DO UPDATE SET epoch = max(epoch, excluded.epoch)",
      uid,
      epoch,
    );
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #checkFormat(directory: string): void {
    const found = Number(this.#fact("formatVersion") ?? this.#setFact("formatVersion", String(formatVersion)));
    if (found === formatVersion) return;
    throw new JournalError(`data directory ${directory}: its format is ${found}, this agent knows ${formatVersion}`);
  }

  #fact(name: string): string | undefined {
    return this.#database.prepare("SELECT value FROM facts WHERE name = ?").get(name)?.value as string | undefined;
  }

  #setFact(name: string, value: string): string {
    this.#run("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value);
    return value;
  }

  #document<Document>(query: string, key: string): Document | undefined {
    const row = this.#database.prepare(query).get(key);
    return row === undefined ? undefined : JSON.parse(row.document as string);
  }

  #documents<Document>(query: string): Document[] {
    const rows = this.#database.prepare(query).all();
    return rows.map((row) => JSON.parse(row.document as string));
  }

  #run(statement: string, ...values: (string | number)[]): void {
    this.#database.prepare(statement).run(...values);
  }
}

function explain(error: unknown): string {
  const message = messageOf(error);
  return /locked|busy/i.test(message) ? "another agent is using it; stop that one first" : message;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
