import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { KubernetesObject } from "../resource.ts";
import { internalError, shuttingDown } from "../status.ts";
import { Revisions } from "./revisions.ts";

/** Where an object is kept. Cluster-scoped objects have an empty namespace. */
export interface ObjectKey {
  resource: string;
  namespace: string;
  name: string;
}

/** What a write decides to do with the current object. `keep` writes nothing and leaves the resourceVersion alone. */
export type Write =
  | { action: "put"; object: KubernetesObject }
  | { action: "delete"; object: KubernetesObject }
  | { action: "keep"; object: KubernetesObject };

/**
 * Decides from the current object, which it must not change. It runs alone: nothing is written between its reads and
 * its write. What it throws is thrown to the caller, and nothing is written.
 */
export type Decide = (current: KubernetesObject | undefined, read: Read) => Write;
export type Read = (key: ObjectKey) => KubernetesObject | undefined;

export interface StoreEvent {
  type: "ADDED" | "MODIFIED" | "DELETED";
  revision: number;
  object: KubernetesObject;
  /** The object before this event; absent for ADDED. */
  previous: KubernetesObject | undefined;
}

interface Commit {
  done: Promise<void>;
  settle: () => void;
  fail: (error: unknown) => void;
  events: { key: ObjectKey; event: StoreEvent }[];
  firstRevision: number;
  failure: unknown;
}

/**
 * Objects in SQLite with one global revision (the resourceVersion) and their recent history.
 *
 * Writes that arrive in one turn of the event loop share a transaction and its fsync. A write's promise resolves only
 * after the commit, and reads wait for a commit under way: nothing is ever answered that is not on disk.
 */
export class Store {
  readonly revisions: Revisions;
  readonly #database: DatabaseSync;
  readonly #saveRevision: StatementSync;
  readonly #listeners = new Map<string, Set<(event: StoreEvent) => void>>();
  readonly #historyLength: number;
  #revision: number;
  #commit: Commit | undefined;
  #closed = false;

  /** @param historyLength how many of the newest revisions stay available to watches and paging, at least 1 */
  constructor(database: DatabaseSync, historyLength = 10_000) {
    this.#database = database;
    this.revisions = new Revisions(database);
    this.#historyLength = historyLength;
    this.#saveRevision = database.prepare("UPDATE meta SET value = ? WHERE key = 'revision'");
    this.#revision = this.revisions.savedRevision();
  }

  /** Waits for a commit under way. Reads of `revisions` in the same turn then see only what is on disk. */
  async settled(): Promise<void> {
    while (this.#commit) await this.#commit.done.catch(() => {});
    if (this.#closed) throw shuttingDown();
  }

  /** The newest revision that is on disk. */
  get revision(): number {
    return this.#commit?.firstRevision ?? this.#revision;
  }

  async get(key: ObjectKey): Promise<KubernetesObject | undefined> {
    await this.settled();
    return this.revisions.latest(key);
  }

  /**
   * @returns the object as written (with its new resourceVersion), deleted or kept
   * @throws whatever `decide` throws; StatusError 500 when the disk does not take the write, 503 after `close`
   */
  async write(key: ObjectKey, decide: Decide): Promise<KubernetesObject> {
    if (this.#closed) throw shuttingDown();
    this.#commit ??= this.#begin();
    const commit = this.#commit;
    try {
      return this.#apply(commit, key, decide);
    } finally {
      // Also a refusal waits: it may rest on a write of the same commit that does not reach the disk.
      await commit.done;
    }
  }

  /** Calls `listener` after the commit of each change to a resource, in order of revision. Returns how to stop it. */
  subscribe(resource: string, listener: (event: StoreEvent) => void): () => void {
    const listeners = this.#listeners.get(resource) ?? new Set();
    this.#listeners.set(resource, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Finishes the commit under way and gives the data directory free. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#commit?.done.catch(() => {});
    if (this.#database.isOpen) this.#database.close();
  }

  #begin(): Commit {
    this.#database.exec("BEGIN IMMEDIATE");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    setImmediate(() => this.#finish());
    return {
      done: promise,
      settle: resolve,
      fail: reject,
      events: [],
      firstRevision: this.#revision,
      failure: undefined,
    };
  }

  #apply(commit: Commit, key: ObjectKey, decide: Decide): KubernetesObject {
    // SQLite may have rolled the transaction back; a statement now would stand for itself, and stay.
    if (commit.failure) throw commit.failure;
    const previous = this.revisions.latest(key);
    const write = decide(previous, (other) => this.revisions.latest(other));
    if (write.action === "keep") return write.object;
    const revision = this.#revision + 1;
    const object = {
      ...write.object,
      metadata: { ...write.object.metadata, resourceVersion: String(revision) },
    };
    const deleted = write.action === "delete";
    try {
      this.revisions.append(key, revision, deleted, object);
    } catch (error) {
      commit.failure ??= error;
      throw error;
    }
    this.#revision = revision;
    const type = deleted ? "DELETED" : previous ? "MODIFIED" : "ADDED";
    commit.events.push({ key, event: { type, revision, object, previous } });
    return object;
  }

  #finish(): void {
    const commit = this.#commit;
    if (!commit) return;
    try {
      if (commit.failure) throw commit.failure;
      if (commit.events.length > 0) {
        this.#saveRevision.run(this.#revision);
        this.#compact();
      }
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#revision = commit.firstRevision;
      this.#commit = undefined;
      commit.fail(internalError(`the store cannot write: ${(error as Error).message}`));
      return;
    }
    this.#commit = undefined;
    commit.settle();
    for (const { key, event } of commit.events) {
      for (const listener of this.#listeners.get(key.resource) ?? []) listener(event);
    }
  }

  /** Runs only every tenth of the history's length, because it looks at every object. */
  #compact(): void {
    const target = this.#revision - this.#historyLength;
    const step = Math.ceil(this.#historyLength / 10);
    if (target - this.revisions.compacted() >= step) this.revisions.compact(target);
  }
}
