import { formatKey, type KubernetesObject, keyOf, type ObjectKey } from "../api/object.ts";

/** The value or values under which an object is found in an index; none leaves it out. */
export type IndexFunction<T> = (object: T) => string | readonly string[] | undefined;

/**
 * What is known of one resource, without asking the server. It lags behind a little; a write on a stale object ends in
 * a conflict and is tried again. Objects are shared and frozen: copy before changing (`structuredClone`, spread).
 */
export interface CacheReader<T extends KubernetesObject> {
  get(key: ObjectKey): T | undefined;
  /** Sorted by namespace and name, so that decisions made over it are repeatable. */
  list(namespace?: string): T[];
  /** The objects for which the index's function gives this value, sorted like `list`. Throws on an unknown index. */
  byIndex(index: string, value: string): T[];
  /** Adds an index; adding the same function under the same name again is fine, another one throws. */
  addIndex(name: string, values: IndexFunction<T>): void;
}

interface Index<T> {
  values: IndexFunction<T>;
  keys: Map<string, Set<string>>;
}

/** A store of the objects of one resource, with indexes. Only the reflector writes to it. */
export class ObjectCache<T extends KubernetesObject> implements CacheReader<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(formatKey(key));
  }

  list(namespace?: string): T[] {
    const keys = [...this.#objects.keys()];
    if (namespace === undefined) return this.#sorted(keys);
    return this.#sorted(keys.filter((key) => key.startsWith(`${namespace}/`)));
  }

  byIndex(index: string, value: string): T[] {
    const found = this.#indexes.get(index);
    if (found === undefined) throw new Error(`no index ${index}; add it with addIndex`);
    return this.#sorted([...(found.keys.get(value) ?? [])]);
  }

  addIndex(name: string, values: IndexFunction<T>): void {
    const existing = this.#indexes.get(name);
    if (existing?.values === values) return;
    if (existing !== undefined) throw new Error(`index ${name} exists already with another function`);
    const index: Index<T> = { values, keys: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) insert(index, key, object);
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  /** Stores the object, frozen from here on, and returns the one it replaces. */
  set(object: T): T | undefined {
    const key = formatKey(keyOf(object));
    const before = this.#objects.get(key);
    freeze(object);
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) {
      if (before !== undefined) remove(index, key, before);
      insert(index, key, object);
    }
    return before;
  }

  /** Removes the object and returns it. */
  delete(key: ObjectKey): T | undefined {
    const text = formatKey(key);
    const before = this.#objects.get(text);
    if (before === undefined) return undefined;
    this.#objects.delete(text);
    for (const index of this.#indexes.values()) remove(index, text, before);
    return before;
  }

  #sorted(keys: string[]): T[] {
    return keys.sort().flatMap((key) => this.#objects.get(key) ?? []);
  }
}

function insert<T>(index: Index<T>, key: string, object: T): void {
  for (const value of valuesOf(index, object)) {
    const keys = index.keys.get(value) ?? new Set();
    index.keys.set(value, keys.add(key));
  }
}

function remove<T>(index: Index<T>, key: string, object: T): void {
  for (const value of valuesOf(index, object)) {
    const keys = index.keys.get(value);
    keys?.delete(key);
    if (keys?.size === 0) index.keys.delete(value);
  }
}

function valuesOf<T>(index: Index<T>, object: T): readonly string[] {
  const values = index.values(object);
  if (values === undefined) return [];
  return typeof values === "string" ? [values] : values;
}

/** Everyone gets the same object: a change by one reader would be seen by all, and never by the server. */
export function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const child of Object.values(value)) freeze(child);
}
