import { randomBytes } from "node:crypto";
import type { Clock } from "../api/clock.ts";
import { formatKey, type KubernetesObject, keyOf, type ObjectKey, parseKey } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";
import type { Metrics, reconcileResults } from "../metrics/metrics.ts";
import { LinkedAbort, StoppedError, settlesWithin } from "./abort.ts";
import type { BackoffOptions } from "./backoff.ts";
import { isConflict } from "./client.ts";
import type { Log } from "./log.ts";
import { OwnWrites } from "./own-writes.ts";
import { type ReconcileContext, type Reconciler, ReconcileTimeoutError, TerminalError } from "./reconciler.ts";
import type { Change, Reflector } from "./reflector.ts";
import { WorkQueue } from "./work-queue.ts";

/** A secondary resource whose changes concern the objects of a controller. */
export interface SecondaryWatch<W extends KubernetesObject = KubernetesObject> {
  resource: Resource<W>;
  /**
   * Which keys to reconcile when an object of this resource was added, changed or deleted. `oldObject` is absent for
   * an added one; a deleted one comes as both. Must not wait.
   */
  mapToKeys(object: W, oldObject: W | undefined): readonly ObjectKey[];
}

/** Ties the resource to its mapping, so that `mapToKeys` sees the right type. */
export function watches<W extends KubernetesObject>(
  resource: Resource<W>,
  mapToKeys: SecondaryWatch<W>["mapToKeys"],
): SecondaryWatch {
  return { resource, mapToKeys } as unknown as SecondaryWatch;
}

export interface ControllerOptions {
  /** Lower case; a label of metrics and logs. */
  name: string;
  /** What it reconciles; every object of it is reconciled once after the start. */
  resource: Resource;
  reconcile: Reconciler;
  /** Keys reconciled at the same time; 1 when absent. */
  workers?: number;
  /** Then the reconcile's signal is aborted; 60 when absent. */
  reconcileTimeoutSeconds?: number;
  watches?: readonly SecondaryWatch[];
  /** Delays of a key that fails again and again; from 0.1 s to 60 s when absent. */
  backoff?: BackoffOptions;
}

/** What a controller is to those who have news for it, such as the events of agents. */
export interface KeyedController {
  readonly name: string;
  /** Reconciles the key soon, however often it is asked for meanwhile. */
  enqueue(key: ObjectKey): void;
}

export interface ControllerDependencies {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  random?: () => number;
  /** The mirror of a resource, shared with the other controllers. */
  reflector(resource: Resource): Reflector<KubernetesObject>;
}

type Result = (typeof reconcileResults)[number];

/** Calls a reconciler for every key that something happened to, with a number of workers, never twice at once for a key. */
export class Controller implements KeyedController {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #queue: WorkQueue;
  readonly #ownWrites = new OwnWrites();
  /** Aborted first: no more keys are taken. */
  readonly #stopping = new AbortController();
  /** Aborted when a stop takes too long: reconciles that run are told to end. */
  readonly #aborting = new AbortController();
  #workers: Promise<void>[] = [];

  constructor(options: ControllerOptions, dependencies: ControllerDependencies) {
    const { clock, log, metrics, random } = dependencies;
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
    this.#log = log.child({ controller: options.name });
    this.#metrics = metrics;
    this.#queue = new WorkQueue({
      name: options.name,
      clock,
      metrics,
      ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
      ...(random === undefined ? {} : { random }),
    });
    dependencies.reflector(options.resource).onChange((change) => this.#primaryChanged(change));
    for (const { resource, mapToKeys } of options.watches ?? []) {
      dependencies.reflector(resource).onChange(({ object, oldObject }) => {
        for (const key of mapToKeys(object, oldObject)) this.enqueue(key);
      });
    }
  }

  enqueue(key: ObjectKey): void {
    this.#queue.add(formatKey(key));
  }

  /** Starts the workers; the caches should be synced by now. */
  start(): void {
    const count = this.#options.workers ?? 1;
    this.#workers = Array.from({ length: count }, () => this.#work());
    this.#log.info({ workers: count }, "controller started");
  }

  /**
   * Takes no more keys and waits for the reconciles that run; after half the time their signals are aborted. Resolves
   * to whether all have ended in time.
   * @param timeoutSeconds above zero.
   */
  async stop(timeoutSeconds: number): Promise<boolean> {
    this.#stopping.abort(new StoppedError(`controller ${this.name} stops`));
    this.#queue.close();
    const ended = Promise.all(this.#workers);
    if (await settlesWithin(ended, timeoutSeconds / 2, this.#clock)) return true;
    this.#aborting.abort(new StoppedError(`controller ${this.name} stops`));
    return settlesWithin(ended, timeoutSeconds / 2, this.#clock);
  }

  /** To be called before the metrics are read. */
  refreshMetrics(): void {
    this.#queue.refreshMetrics();
  }

  #primaryChanged({ type, object, oldObject }: Change<KubernetesObject>): void {
    const key = formatKey(keyOf(object));
    const before = oldObject?.metadata.resourceVersion;
    const after = type === "deleted" ? undefined : object.metadata.resourceVersion;
    if (this.#ownWrites.isNews(key, { before, after })) this.#queue.add(key);
  }

  async #work(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const key = await this.#queue.take(this.#stopping.signal).catch(() => undefined);
      if (key === undefined) return;
      this.#ownWrites.start(key);
      const startedAt = this.#clock.monotonicMilliseconds();
      this.#metrics.reconcilesActive.inc({ controller: this.name });
      const result = await this.#reconcile(key);
      this.#metrics.reconcilesActive.dec({ controller: this.name });
      this.#metrics.reconciles.inc({ controller: this.name, result });
      const seconds = (this.#clock.monotonicMilliseconds() - startedAt) / 1000;
      this.#metrics.reconcileSeconds.observe({ controller: this.name }, seconds);
      if (this.#ownWrites.finish(key)) this.#queue.add(key);
      this.#queue.done(key);
    }
  }

  async #reconcile(key: string): Promise<Result> {
    const reconcileId = randomBytes(8).toString("hex");
    const log = this.#log.child({ key, reconcileId });
    using abort = new LinkedAbort(this.#aborting.signal);
    const timer = this.#startTimer(abort);
    const context: ReconcileContext = {
      signal: abort.signal,
      log,
      reconcileId,
      wroteStatus: (before, after) => {
        if (after.kind !== this.#options.resource.kind) return;
        const versions = [before.metadata.resourceVersion, after.metadata.resourceVersion] as const;
        this.#ownWrites.wrote(formatKey(keyOf(after)), ...versions);
      },
    };
    try {
      const { requeueAfterSeconds } = await this.#options.reconcile(parseKey(key), context);
      if (requeueAfterSeconds !== undefined) this.#queue.addAfter(key, requeueAfterSeconds);
      this.#queue.forget(key);
      return requeueAfterSeconds === undefined ? "success" : "requeue";
    } catch (error) {
      return this.#failed(key, error, abort.signal, log);
    } finally {
      timer.abort();
    }
  }

  #startTimer(abort: LinkedAbort): AbortController {
    const timer = new AbortController();
    const seconds = this.#options.reconcileTimeoutSeconds ?? 60;
    this.#clock.sleep(seconds * 1000, timer.signal).then(
      () => abort.abort(new ReconcileTimeoutError(this.name, seconds)),
      () => {},
    );
    return timer;
  }

  #failed(key: string, error: unknown, signal: AbortSignal, log: Log): Result {
    if (error instanceof TerminalError) {
      this.#queue.forget(key);
      log.warn({ err: error }, "reconcile failed for good, waiting for a change");
      return "terminal";
    }
    const retrySeconds = this.#queue.addRateLimited(key);
    if (isConflict(error)) {
      log.debug({ err: error, retrySeconds }, "object changed meanwhile, reconciling again");
      return "conflict";
    }
    const timedOut = signal.reason instanceof ReconcileTimeoutError;
    log.error({ err: timedOut ? signal.reason : error, retrySeconds }, "reconcile failed");
    return timedOut ? "timeout" : "error";
  }
}
