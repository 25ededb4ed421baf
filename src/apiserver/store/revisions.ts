import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { KubernetesObject } from "../resource.ts";
import type { ObjectKey, StoreEvent } from "./store.ts";

/** Which objects a list or watch is about. Without a namespace: all namespaces. */
export interface Scope {
  resource: string;
  namespace?: string;
}

export interface Position {
  namespace: string;
  name: string;
}

const start: Position = { namespace: "", name: "" };

/** The newest revision of each key at or below a revision, without the deleted ones, from the covering index. */
const latestAt = `
  SELECT max(revision) AS revision, deleted FROM revisions
  WHERE resource = :resource AND (:namespace IS NULL OR namespace = :namespace) AND revision <= :at
    AND (namespace, name) > (:afterNamespace, :afterName)
  GROUP BY namespace, name HAVING deleted = 0 ORDER BY namespace, name`;

/** The statements on the `revisions` table. Synchronous; whoever calls sees to it that no commit is under way. */
export class Revisions {
  readonly #latest: StatementSync;
  readonly #append: StatementSync;
  readonly #list: StatementSync;
  readonly #count: StatementSync;
  readonly #after: StatementSync;
  readonly #before: StatementSync;
  readonly #meta: StatementSync;
  readonly #saveCompacted: StatementSync;
  readonly #deleteSuperseded: StatementSync;
  readonly #deleteTombstones: StatementSync;

  constructor(database: DatabaseSync) {
    const ofKey = "resource = :resource AND namespace = :namespace AND name = :name";
    this.#latest = database.prepare(
      `SELECT object, deleted FROM revisions WHERE ${ofKey} ORDER BY revision DESC LIMIT 1`,
    );
    this.#before = database.prepare(
      `SELECT object, deleted FROM revisions WHERE ${ofKey} AND revision < :revision ORDER BY revision DESC LIMIT 1`,
    );
    this.#append = database.prepare(
      "INSERT INTO revisions VALUES (:revision, :resource, :namespace, :name, :deleted, :object)",
    );
    this.#list = database.prepare(`
      SELECT r.namespace, r.name, r.object FROM (${latestAt}) JOIN revisions r USING (revision)
      ORDER BY r.namespace, r.name`);
    this.#count = database.prepare(`SELECT count(*) AS count FROM (${latestAt})`);
    this.#after = database.prepare(`
      SELECT revision, namespace, name, deleted, object FROM revisions
      WHERE revision > :after AND resource = :resource AND (:namespace IS NULL OR namespace = :namespace)
      ORDER BY revision`);
    this.#meta = database.prepare("SELECT value FROM meta WHERE key = ?");
    this.#saveCompacted = database.prepare("UPDATE meta SET value = ? WHERE key = 'compacted'");
    this.#deleteSuperseded = database.prepare(`
      DELETE FROM revisions WHERE revision <= :target AND EXISTS (
        SELECT 1 FROM revisions AS newer
        WHERE newer.resource = revisions.resource AND newer.namespace = revisions.namespace
          AND newer.name = revisions.name AND newer.revision > revisions.revision AND newer.revision <= :target)`);
    this.#deleteTombstones = database.prepare("DELETE FROM revisions WHERE revision <= :target AND deleted = 1");
  }

  savedRevision(): number {
    return Number(this.#meta.get("revision")?.value);
  }

  /** States before this revision are gone. */
  compacted(): number {
    return Number(this.#meta.get("compacted")?.value);
  }

  latest(key: ObjectKey): KubernetesObject | undefined {
    return existing(this.#latest.get({ ...key }));
  }

  append(key: ObjectKey, revision: number, deleted: boolean, object: KubernetesObject): void {
    this.#append.run({ ...key, revision, deleted: deleted ? 1 : 0, object: JSON.stringify(object) });
  }

  /** The objects of a scope as they were at a revision, in order of namespace and name, from behind `after`. */
  *list(scope: Scope, at: number, after: Position = start): Generator<KubernetesObject> {
    for (const row of this.#list.iterate(listParameters(scope, at, after))) yield parse(row);
  }

  count(scope: Scope, at: number, after: Position = start): number {
    return Number(this.#count.get(listParameters(scope, at, after))?.count);
  }

  /** What happened in a scope after a revision, which must not be below `compacted()`. */
  *eventsAfter(scope: Scope, after: number): Generator<StoreEvent> {
    const rows = this.#after.iterate({ after, resource: scope.resource, namespace: scope.namespace ?? null });
    for (const row of rows) {
      const revision = Number(row.revision);
      const key = { resource: scope.resource, namespace: String(row.namespace), name: String(row.name) };
      const previous = existing(this.#before.get({ ...key, revision }));
      const type = row.deleted === 1 ? "DELETED" : previous ? "MODIFIED" : "ADDED";
      yield { type, revision, object: parse(row), previous };
    }
  }

  /** Forgets the states before `target`; each key's newest revision at or below it stays, unless it is a deletion. */
  compact(target: number): void {
    this.#deleteSuperseded.run({ target });
    // Second, because a deletion that went first would bring what it superseded back to life.
    this.#deleteTombstones.run({ target });
    this.#saveCompacted.run(target);
  }
}

function listParameters(scope: Scope, at: number, after: Position) {
  return {
    resource: scope.resource,
    namespace: scope.namespace ?? null,
    at,
    afterNamespace: after.namespace,
    afterName: after.name,
  };
}

type Row = Record<string, unknown>;

function parse(row: Row): KubernetesObject {
  return JSON.parse(String(row.object)) as KubernetesObject;
}

function existing(row: Row | undefined): KubernetesObject | undefined {
  return row === undefined || row.deleted === 1 ? undefined : parse(row);
}
