import type { Clock } from "../api/clock.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { LinkedAbort, StoppedError, settlesWithin } from "./abort.ts";
import type { CacheReader } from "./cache.ts";
import type { Client } from "./client.ts";
import { Controller, type ControllerOptions, type KeyedController } from "./controller.ts";
import { type EventRecorder, EventWriter } from "./event-recorder.ts";
import { HealthServer } from "./health-server.ts";
import type { Log } from "./log.ts";
import { Reflector } from "./reflector.ts";

export interface ManagerOptions {
  client: Client;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Where to serve health and metrics; absent serves none. Loopback unless a host is given; port 0 takes a free one. */
  health?: { host?: string; port: number };
  /** Resources of which only one namespace is mirrored, by plural: `{ secrets: "vacate-system" }`. */
  namespaces?: Readonly<Record<string, string>>;
  /** For all caches to have everything once; 120 when absent. */
  syncTimeoutSeconds?: number;
  /** For a graceful stop; 30 when absent. */
  stopTimeoutSeconds?: number;
  random?: () => number;
}

/** Something that lives as long as the manager, such as the connections to hosts. */
export interface Runnable {
  readonly name: string;
  /** Called once the caches are synced, before the controllers start. The signal says that the start is given up. */
  start(signal: AbortSignal): Promise<void>;
  /** Called after the controllers have stopped. */
  stop(): Promise<void>;
}

/**
 * Owns what an operator is made of, and starts it in order: health server, caches, runnables, controllers; each waits
 * for the one before. Stops in the opposite order. Caches, indexes and controllers are declared before `start`.
 */
export class Manager {
  readonly #options: ManagerOptions;
  readonly #log: Log;
  readonly #reflectors = new Map<string, Reflector<KubernetesObject>>();
  readonly #controllers: Controller[] = [];
  readonly #runnables: Runnable[] = [];
  readonly #startedRunnables: Runnable[] = [];
  readonly #events: EventWriter;
  readonly #health: HealthServer | undefined;
  readonly #starting = new AbortController();
  readonly #mirroring = new AbortController();
  #mirrors: Promise<void>[] = [];
  #state: "new" | "starting" | "running" | "stopping" | "stopped" = "new";
  #stopped: Promise<void> | undefined;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#events = new EventWriter(options);
    this.#health =
      options.health &&
      new HealthServer({ ...options.health, notReady: () => this.notReady(), metrics: () => this.#readMetrics() });
  }

  /** Writes events in the background; what is left is written during the stop. */
  get events(): EventRecorder {
    return this.#events;
  }

  /** Where health and metrics are served; only while it runs with `health`. */
  get healthUrl(): string | undefined {
    return this.#health?.url;
  }

  /** The cache of a resource; the same for everyone who asks. */
  cache<T extends KubernetesObject>(resource: Resource<T>): CacheReader<T> {
    return this.#reflector(resource as unknown as Resource).cache as unknown as CacheReader<T>;
  }

  addController(options: ControllerOptions): KeyedController {
    this.#mustBeNew();
    const { clock, log, metrics, random } = this.#options;
    const controller = new Controller(options, {
      clock,
      log,
      metrics,
      reflector: (resource) => this.#reflector(resource),
      ...(random === undefined ? {} : { random }),
    });
    this.#controllers.push(controller);
    return controller;
  }

  addRunnable(runnable: Runnable): void {
    this.#mustBeNew();
    this.#runnables.push(runnable);
  }

  /** What keeps the manager from being ready; empty when nothing does. */
  notReady(): string[] {
    const caches = [...this.#reflectors].filter(([, reflector]) => !reflector.hasSynced);
    const missing = caches.map(([plural]) => `cache ${plural}`);
    return this.#state === "running" ? missing : [`manager is ${this.#state}`, ...missing];
  }

  /**
   * Resolves when all controllers work. When something cannot be started it stops what was, and rejects: naming the
   * resources whose caches did not sync in time and why; with the signal's reason.
   */
  async start(signal?: AbortSignal): Promise<void> {
    this.#mustBeNew();
    this.#state = "starting";
    const giveUp = () => this.#starting.abort(signal?.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    if (signal?.aborted) giveUp();
    try {
      await this.#startInOrder(this.#starting.signal);
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  async #startInOrder(signal: AbortSignal): Promise<void> {
    await this.#health?.start();
    signal.throwIfAborted();
    this.#mirrors = [...this.#reflectors.values()].map((reflector) => reflector.run(this.#mirroring.signal));
    await this.#waitForSync(signal);
    for (const runnable of this.#runnables) {
      signal.throwIfAborted();
      // Before it starts: what fails half-way has to be stopped as well.
      this.#startedRunnables.push(runnable);
      await runnable.start(signal);
    }
    signal.throwIfAborted();
    for (const controller of this.#controllers) controller.start();
    this.#state = "running";
    this.#log.info({ controllers: this.#controllers.map(({ name }) => name) }, "manager started");
  }

  /** Stops everything, a start under way too, within the time given in the options. Never rejects; a second call waits for the first. */
  async stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    await this.#stopped;
  }

  async #stop(): Promise<void> {
    const { stopTimeoutSeconds = 30, clock } = this.#options;
    this.#state = "stopping";
    this.#starting.abort(new StoppedError("manager stops"));
    // Shares of the whole: the controllers get most, for a reconcile may have a step to finish.
    const share = stopTimeoutSeconds / 6;
    await Promise.all(this.#controllers.map((controller) => this.#stopController(controller, share * 3)));
    for (const runnable of this.#startedRunnables.reverse()) {
      const stopped = runnable
        .stop()
        .catch((error) => this.#log.warn({ err: error, name: runnable.name }, "stop failed"));
      await this.#inTime(stopped, share / this.#startedRunnables.length, runnable.name);
    }
    this.#mirroring.abort(new StoppedError("manager stops"));
    await this.#inTime(Promise.all(this.#mirrors), share / 2, "caches");
    await this.#inTime(this.#events.flush(), share, "events");
    await settlesWithin(this.#health?.stop() ?? Promise.resolve(), share / 2, clock);
    this.#state = "stopped";
    this.#log.info({}, "manager stopped");
  }

  async #stopController(controller: Controller, seconds: number): Promise<void> {
    if (await controller.stop(seconds)) return;
    this.#log.warn({ name: controller.name, timeoutSeconds: seconds }, "not stopped in time");
  }

  async #inTime(promise: Promise<unknown>, seconds: number, name: string): Promise<void> {
    if (await settlesWithin(promise, seconds, this.#options.clock)) return;
    this.#log.warn({ name, timeoutSeconds: seconds }, "not stopped in time");
  }

  async #waitForSync(signal: AbortSignal): Promise<void> {
    const { clock, syncTimeoutSeconds = 120 } = this.#options;
    const synced = Promise.all([...this.#reflectors.values()].map((reflector) => reflector.synced)).then(() => true);
    using timer = new LinkedAbort(signal);
    const late = clock.sleep(syncTimeoutSeconds * 1000, timer.signal).then(() => false);
    try {
      if (await Promise.race([synced, late])) return;
    } finally {
      timer.abort(new StoppedError("no longer waiting"));
      late.catch(() => {});
    }
    const missing = [...this.#reflectors].filter(([, reflector]) => !reflector.hasSynced);
    const reasons = missing.map(([plural, { lastError }]) => {
      return `${plural} (${lastError instanceof Error ? lastError.message : "no answer"})`;
    });
    throw new Error(`caches did not sync within ${syncTimeoutSeconds} s: ${reasons.join(", ")}`);
  }

  async #readMetrics(): Promise<{ contentType: string; text: string }> {
    for (const controller of this.#controllers) controller.refreshMetrics();
    const { registry } = this.#options.metrics;
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  #reflector(resource: Resource): Reflector<KubernetesObject> {
    const existing = this.#reflectors.get(resource.plural);
    if (existing !== undefined) return existing;
    this.#mustBeNew();
    const { client, clock, log, metrics, random, namespaces } = this.#options;
    const namespace = namespaces?.[resource.plural];
    const reflector = new Reflector<KubernetesObject>({
      client,
      resource,
      clock,
      log,
      metrics,
      ...(namespace === undefined ? {} : { namespace }),
      ...(random === undefined ? {} : { random }),
    });
    this.#reflectors.set(resource.plural, reflector);
    return reflector;
  }

  #mustBeNew(): void {
    if (this.#state !== "new") throw new Error(`manager is ${this.#state}: declare everything before start, once`);
  }
}
