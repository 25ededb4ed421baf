import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../api/clock.ts";
import { formatKey, type KubernetesObject, keyOf, type ObjectKey } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";
import { type CacheReader, freeze, ObjectCache } from "../runtime/cache.ts";
import {
  ApiError,
  type CallOptions,
  type Client,
  type ListOptions,
  type MergePatch,
  type ObjectList,
  type PatchOptions,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from "../runtime/client.ts";
import { type Change, type Stored, Watcher } from "./memory-watch.ts";
import { mergePatch } from "./merge-patch.ts";
import { selects } from "./selector.ts";

/** Changes that a watch can go back to, at least. */
const longestHistory = 5000;

export type Verb = "get" | "list" | "create" | "replace" | "patch" | "delete" | "watch";

/** One call that arrived, failed or not. */
export interface Call {
  verb: Verb;
  plural: string;
  key?: string;
  subresource?: "status";
  body?: unknown;
}

/**
 * An API server in memory: conflicts by resourceVersion, generation, the status subresource (of Vacate's own kinds),
 * finalizers, preconditions and watches as the real one; no schemas and no defaults.
 */
export class MemoryClient implements Client {
  readonly #clock: Clock;
  readonly #forgets: ReadonlySet<string>;
  readonly #objects = new Map<string, Map<string, Stored>>();
  readonly #caches = new Map<string, ObjectCache<KubernetesObject>>();
  readonly #watchers = new Set<Watcher>();
  #history: Change[] = [];
  #compacted = 0;
  #version = 0;
  #uid = 0;

  /** @param forgets plurals of kinds that are accepted and not kept, such as events */
  constructor(clock: Clock, forgets: readonly string[] = []) {
    this.#clock = clock;
    this.#forgets = new Set(forgets);
  }

  /** A cache that never lags behind this client. */
  cache<T extends KubernetesObject>(resource: Resource<T>): CacheReader<T> {
    const existing = this.#caches.get(resource.plural);
    if (existing !== undefined) return existing as unknown as CacheReader<T>;
    const cache = new ObjectCache<KubernetesObject>();
    for (const object of this.table(resource).values()) cache.set(object);
    this.#caches.set(resource.plural, cache);
    return cache as unknown as CacheReader<T>;
  }

  /** Forgets the history, so that a watch from any earlier version is answered with 410. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.#version;
  }

  /** Breaks every watch that runs, with the error; without one the server ends them. */
  endWatches(error?: Error): void {
    for (const watcher of this.#watchers) watcher.end(error);
  }

  // --- Client ------------------------------------------------------------------------------------------------------

  async get<T extends KubernetesObject>(resource: Resource<T>, key: ObjectKey, options: CallOptions = {}): Promise<T> {
    await this.#called({ verb: "get", plural: resource.plural, key: formatKey(key) }, options);
    return this.handedOut(this.#find(resource, key)) as unknown as T;
  }

  async list<T extends KubernetesObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    await this.#called({ verb: "list", plural: resource.plural }, options);
    const start = options.continueToken ?? "";
    const found = [...this.table(resource)].filter(([key, object]) => key > start && selects(object, options));
    found.sort(([a], [b]) => (a < b ? -1 : 1));
    const page = found.slice(0, options.limit ?? found.length);
    const items = page.map(([, object]) => this.handedOut(object) as unknown as T);
    const last = page.at(-1)?.[0];
    const more = page.length < found.length && last !== undefined ? { continueToken: last } : {};
    return { items, resourceVersion: String(this.#version), ...more };
  }

  async create<T extends KubernetesObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const copy = structuredClone(object) as unknown as Stored;
    await this.#called({ verb: "create", plural: resource.plural, key: formatKey(keyOf(copy)), body: object }, options);
    if (this.table(resource).has(formatKey(keyOf(copy)))) {
      throw new ApiError(409, "AlreadyExists", `${resource.plural} "${copy.metadata.name}" already exists`);
    }
    if (hasStatus(resource)) delete copy.status;
    const { uid: _uid, resourceVersion: _version, ...metadata } = copy.metadata;
    copy.metadata = metadata;
    const isKept = !options.dryRun && !this.#forgets.has(resource.plural);
    return this.handedOut(isKept ? this.insert(resource, copy) : copy) as unknown as T;
  }

  async replace<T extends KubernetesObject>(resource: Resource<T>, object: T, options: PatchOptions = {}): Promise<T> {
    await this.#called(
      { verb: "replace", plural: resource.plural, key: formatKey(keyOf(object)), body: object },
      options,
    );
    const before = this.#find(resource, keyOf(object));
    return this.#update(resource, before, structuredClone(object) as unknown as Stored, options);
  }

  async patch<T extends KubernetesObject>(
    resource: Resource<T>,
    key: ObjectKey,
    patch: MergePatch,
    options: PatchOptions = {},
  ): Promise<T> {
    await this.#called({ verb: "patch", plural: resource.plural, key: formatKey(key), body: patch }, options);
    const before = this.#find(resource, key);
    return this.#update(resource, before, mergePatch(before, patch) as Stored, options);
  }

  async delete<T extends KubernetesObject>(
    resource: Resource<T>,
    key: ObjectKey,
    options: CallOptions & { uid?: string; resourceVersion?: string } = {},
  ): Promise<void> {
    await this.#called({ verb: "delete", plural: resource.plural, key: formatKey(key) }, options);
    const before = this.#find(resource, key);
    const { uid, resourceVersion } = options;
    if (uid !== undefined && uid !== before.metadata.uid) throw conflict(resource, key);
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw conflict(resource, key);
    }
    if ((before.metadata.finalizers ?? []).length === 0) return this.#remove(resource, before);
    if (before.metadata.deletionTimestamp !== undefined) return;
    const after = changeable(before);
    after.metadata.deletionTimestamp = this.#clock.now().toISOString();
    after.metadata.generation = (before.metadata.generation ?? 0) + 1;
    this.#store(resource, after, "MODIFIED");
  }

  async *watch<T extends KubernetesObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    await this.#called({ verb: "watch", plural: resource.plural }, options);
    const from = Number(options.resourceVersion);
    if (from < this.#compacted) throw new ApiError(410, "Expired", `too old resource version: ${from}`);
    const watcher = new Watcher(
      this.#history.filter((change) => change.version > from),
      options.signal,
    );
    this.#watchers.add(watcher);
    try {
      for await (const change of watcher.changes()) {
        if (change.plural !== resource.plural || !selects(change.object, options)) continue;
        yield { type: change.type, object: this.handedOut(change.object) as unknown as T };
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  // --- storage -----------------------------------------------------------------------------------------------------

  /** A call has arrived and has had no effect yet; what this throws is its answer. */
  protected async arrived(_call: Call): Promise<void> {}

  /** An object on its way to a caller. It is frozen: whoever wants to change it makes a copy. */
  protected handedOut<T>(object: T): T {
    return object;
  }

  async #called(call: Call, options: PatchOptions): Promise<void> {
    options.signal?.throwIfAborted();
    if (options.subresource !== undefined) call.subresource = options.subresource;
    await this.arrived(call);
  }

  protected table(resource: Resource): Map<string, Stored> {
    const table = this.#objects.get(resource.plural) ?? new Map<string, Stored>();
    this.#objects.set(resource.plural, table);
    return table;
  }

  #find(resource: Resource, key: ObjectKey): Stored {
    const found = this.table(resource).get(formatKey(key));
    if (found === undefined) throw new ApiError(404, "NotFound", `${resource.plural} "${key.name}" not found`);
    return found;
  }

  protected insert(resource: Resource, object: Stored): Stored {
    const creationTimestamp = this.#clock.now().toISOString();
    const generation = hasStatus(resource) ? { generation: 1 } : {};
    const uid = `uid-${++this.#uid}`;
    object.metadata = { creationTimestamp, ...generation, uid, ...object.metadata };
    return this.#store(resource, object, "ADDED");
  }

  #update<T extends KubernetesObject>(resource: Resource, before: Stored, wanted: Stored, options: PatchOptions): T {
    const { resourceVersion, uid } = wanted.metadata;
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw conflict(resource, keyOf(before));
    }
    const otherUid = options.subresource === undefined && uid !== undefined && uid !== before.metadata.uid;
    if (otherUid) throw new ApiError(422, "Invalid", "metadata.uid: field is immutable");
    const after = changeable(before);
    if (options.subresource === "status") assign(after, "status", wanted.status);
    else this.#assignMain(resource, after, wanted);
    if (options.dryRun || isDeepStrictEqual(before, after)) return this.handedOut(after) as unknown as T;
    const gone = after.metadata.deletionTimestamp !== undefined && (after.metadata.finalizers ?? []).length === 0;
    if (gone) this.#remove(resource, after);
    else this.#store(resource, after, "MODIFIED");
    return this.handedOut(after) as unknown as T;
  }

  #assignMain(resource: Resource, after: Stored, wanted: Stored): void {
    const before = changeable(after);
    for (const field of new Set([...Object.keys(after), ...Object.keys(wanted)])) {
      if (field === "metadata" || (field === "status" && hasStatus(resource))) continue;
      assign(after, field, wanted[field]);
    }
    for (const field of ["labels", "annotations", "finalizers"] as const) {
      assign(after.metadata as unknown as Record<string, unknown>, field, wanted.metadata[field]);
    }
    const added = (after.metadata.finalizers ?? []).filter((name) => !before.metadata.finalizers?.includes(name));
    if (before.metadata.deletionTimestamp !== undefined && added.length > 0) {
      throw new ApiError(
        422,
        "Invalid",
        "metadata.finalizers: no new finalizers can be added if the object is being deleted",
      );
    }
    if (hasStatus(resource) && !isDeepStrictEqual(before.spec, after.spec)) {
      after.metadata.generation = (before.metadata.generation ?? 0) + 1;
    }
  }

  #store(resource: Resource, object: Stored, type: "ADDED" | "MODIFIED"): Stored {
    object.metadata.resourceVersion = String(++this.#version);
    this.table(resource).set(formatKey(keyOf(object)), object);
    freeze(object);
    this.#caches.get(resource.plural)?.set(object);
    this.#publish({ type, plural: resource.plural, version: this.#version, object });
    return object;
  }

  #remove(resource: Resource, object: Stored): void {
    const last = changeable(object);
    last.metadata.resourceVersion = String(++this.#version);
    this.table(resource).delete(formatKey(keyOf(object)));
    this.#caches.get(resource.plural)?.delete(keyOf(object));
    this.#publish({ type: "DELETED", plural: resource.plural, version: this.#version, object: last });
  }

  #publish(change: Change): void {
    this.#history.push(change);
    if (this.#history.length > 2 * longestHistory) {
      this.#history.splice(0, longestHistory);
      this.#compacted = (this.#history[0]?.version ?? 0) - 1;
    }
    for (const watcher of this.#watchers) watcher.push(change);
  }
}

/** The object itself and its metadata may be changed; what lies deeper is shared. */
function changeable(object: Stored): Stored {
  return { ...object, metadata: { ...object.metadata } };
}

function hasStatus(resource: Resource): boolean {
  return resource.group === "vacate.dev";
}

function conflict(resource: Resource, key: ObjectKey): ApiError {
  return new ApiError(409, "Conflict", `${resource.plural} "${key.name}": the object has been modified`);
}

function assign(target: Record<string, unknown>, field: string, value: unknown): void {
  if (value === undefined) delete target[field];
  else target[field] = value;
}
