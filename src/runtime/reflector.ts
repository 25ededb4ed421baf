import type { Clock } from "../api/clock.ts";
import { formatKey, type KubernetesObject, keyOf, parseKey } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { LinkedAbort } from "./abort.ts";
import { backoffSeconds } from "./backoff.ts";
import { ObjectCache } from "./cache.ts";
import { ApiError, type Client, type ListOptions, type ObjectList, type WatchEvent } from "./client.ts";
import type { Log } from "./log.ts";

/** What the cache learned about one object. */
export interface Change<T extends KubernetesObject> {
  type: "added" | "changed" | "deleted";
  /** The object as it is now, or as it was last. */
  object: T;
  /** As it was before; absent when added. */
  oldObject: T | undefined;
}

export interface ReflectorOptions<T extends KubernetesObject> {
  client: Client;
  resource: Resource<T>;
  /** Absent mirrors all namespaces. */
  namespace?: string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  random?: () => number;
}

const pageSize = 500;
const backoff = { baseSeconds: 0.5, maxSeconds: 30 };
/** A watch that ends sooner, without having said anything, counts as a failure: else a sick server would be hammered. */
const shortWatchSeconds = 5;
/** Servers send bookmarks about once a minute; one that has begun to and is silent for so long is not there any more. */
const silenceSeconds = 150;

/**
 * Mirrors a resource into a cache: lists it, watches from there, and never gives up. Changes are told after the cache
 * knows them. An object deleted and created again under its name is told as deleted and added, even if only the outcome
 * was seen.
 */
export class Reflector<T extends KubernetesObject> {
  readonly cache = new ObjectCache<T>();
  readonly #options: ReflectorOptions<T>;
  readonly #log: Log;
  readonly #random: () => number;
  readonly #handlers: ((change: Change<T>) => void)[] = [];
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;
  /** Everything up to here is in the cache; undefined asks for a list. */
  #resourceVersion: string | undefined;
  /** Failures in a row: no watch has worked since. */
  #failures = 0;
  #hasExpired = false;
  #lastError: unknown;
  #heardAt = 0;
  #sendsBookmarks = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#log = options.log.child({ resource: options.resource.plural });
    options.metrics.reflectorLists.inc({ resource: options.resource.plural }, 0);
    options.metrics.reflectorErrors.inc({ resource: options.resource.plural }, 0);
  }

  /** Whether the cache has had everything once. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves when the cache has had everything once. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Why the last list or watch failed; undefined when it did not. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** Calls the handler with every change from now on; to be called before `run`. */
  onChange(handler: (change: Change<T>) => void): void {
    this.#handlers.push(handler);
  }

  /** Mirrors until the signal is aborted; then it resolves. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#listAndWatch(signal);
      } catch (error) {
        if (!signal.aborted) await this.#recover(error, signal);
      }
    }
  }

  async #listAndWatch(signal: AbortSignal): Promise<void> {
    this.#resourceVersion ??= await this.#list(signal);
    this.#lastError = undefined;
    if (!this.#hasSynced) {
      this.#hasSynced = true;
      this.#synced.resolve();
      this.#log.info({ objects: this.cache.keys().length }, "cache synced");
    }
    await this.#watch(this.#resourceVersion, signal);
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { metrics, resource, clock } = this.#options;
    this.#failures += 1;
    const expired = error instanceof ApiError && error.code === 410;
    if (expired) this.#resourceVersion = undefined;
    else {
      this.#lastError = error;
      metrics.reflectorErrors.inc({ resource: resource.plural });
    }
    // The first 410 is how a watch normally learns that it has been away for too long: list at once.
    const atOnce = expired && !this.#hasExpired;
    this.#hasExpired ||= expired;
    const wait = atOnce ? 0 : backoffSeconds(this.#failures, backoff, this.#random);
    if (expired) this.#log.info({ waitSeconds: wait }, "watch expired, listing again");
    else this.#log.warn({ err: error, waitSeconds: wait, failures: this.#failures }, "list or watch failed");
    await clock.sleep(wait * 1000, signal).catch(() => {});
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { client, resource, namespace, metrics } = this.#options;
    metrics.reflectorLists.inc({ resource: resource.plural });
    const base: ListOptions = { signal, ...(namespace === undefined ? {} : { namespace }) };
    const first = await client.list(resource, { ...base, limit: pageSize });
    const items = [...first.items];
    let page: ObjectList<T> = first;
    while (page.continueToken !== undefined) {
      try {
        page = await client.list(resource, { ...base, limit: pageSize, continueToken: page.continueToken });
      } catch (error) {
        if (!(error instanceof ApiError && error.code === 410)) throw error;
        // The snapshot was compacted between two pages; one answer with everything cannot meet that again.
        const whole = await client.list(resource, base);
        this.#replace(whole.items);
        return whole.resourceVersion;
      }
      items.push(...page.items);
    }
    this.#replace(items);
    return first.resourceVersion;
  }

  #replace(items: T[]): void {
    const listed = new Set(items.map((item) => formatKey(keyOf(item))));
    for (const key of this.cache.keys()) {
      const before = listed.has(key) ? undefined : this.cache.get(parseKey(key));
      if (before !== undefined) this.#delete(before);
    }
    for (const item of items) this.#set(item);
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, clock } = this.#options;
    // Jitter: watches that began together shall not end together.
    const timeoutSeconds = Math.round(300 * (1 + this.#random()));
    const startedAt = clock.monotonicMilliseconds();
    let heard = false;
    using abort = new LinkedAbort(signal);
    this.#heardAt = startedAt;
    this.#sendsBookmarks = false;
    const guard = this.#guard(abort, timeoutSeconds);
    try {
      const where = namespace === undefined ? {} : { namespace };
      const options = { ...where, resourceVersion, timeoutSeconds, signal: abort.signal };
      for await (const event of client.watch(resource, options)) {
        heard = true;
        this.#works();
        this.#heardAt = clock.monotonicMilliseconds();
        this.#apply(event);
      }
    } finally {
      abort.abort(new Error("watch ended"));
      await guard;
    }
    const seconds = (clock.monotonicMilliseconds() - startedAt) / 1000;
    if (!heard && seconds < shortWatchSeconds) throw new Error(`server ended the watch after ${seconds.toFixed(1)} s`);
    this.#works();
  }

  #works(): void {
    this.#failures = 0;
    this.#hasExpired = false;
  }

  /** Aborts a watch that has been silent for longer than a live one can be: its connection is dead without a word. */
  async #guard(abort: LinkedAbort, timeoutSeconds: number): Promise<void> {
    const { clock } = this.#options;
    const startedAt = this.#heardAt;
    while (true) {
      const end = this.#sendsBookmarks
        ? this.#heardAt + silenceSeconds * 1000
        : startedAt + (timeoutSeconds + 30) * 1000;
      const left = end - clock.monotonicMilliseconds();
      if (left <= 0) abort.abort(new Error("watch stalled: the server has been silent for too long"));
      if (abort.signal.aborted) return;
      await clock.sleep(Math.min(left, silenceSeconds * 1000), abort.signal).catch(() => {});
    }
  }

  #apply(event: WatchEvent<T>): void {
    if (event.type === "BOOKMARK") {
      this.#sendsBookmarks = true;
      this.#resourceVersion = event.resourceVersion;
      return;
    }
    if (event.type === "DELETED") this.#delete(event.object);
    else this.#set(event.object);
    this.#resourceVersion = event.object.metadata.resourceVersion;
  }

  #set(object: T): void {
    const before = this.cache.get(keyOf(object));
    if (before !== undefined && before.metadata.uid !== object.metadata.uid) {
      this.#delete(before);
      this.#set(object);
      return;
    }
    if (before !== undefined && before.metadata.resourceVersion === object.metadata.resourceVersion) return;
    this.cache.set(object);
    this.#tell({ type: before === undefined ? "added" : "changed", object, oldObject: before });
  }

  #delete(object: T): void {
    const before = this.cache.delete(keyOf(object));
    if (before !== undefined) this.#tell({ type: "deleted", object, oldObject: before });
  }

  #tell(change: Change<T>): void {
    for (const handler of this.#handlers) {
      try {
        handler(change);
      } catch (error) {
        this.#log.error({ err: error, key: formatKey(keyOf(change.object)) }, "change handler failed");
      }
    }
  }
}
