import type { Clock } from "../api/clock.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { type BackoffOptions, backoffSeconds } from "./backoff.ts";

export interface WorkQueueOptions {
  /** The controller; a label of the metrics. */
  name: string;
  clock: Clock;
  metrics: Metrics;
  /** Of a key that fails again and again; from 0.1 s to 60 s when absent. */
  backoff?: BackoffOptions;
  random?: () => number;
}

interface Taker {
  resolve(key: string): void;
  reject(reason: unknown): void;
}

/**
 * Keys to work on, each at most once in the queue and at most once in work. A key added while it is in work comes back
 * when that is done, so no addition is lost.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #labels: { controller: string };
  readonly #backoff: BackoffOptions;
  readonly #random: () => number;
  /** Keys ready to be taken, with the time they were added. */
  readonly #ready = new Map<string, number>();
  /** Keys in work, with the time they were taken. */
  readonly #active = new Map<string, number>();
  /** Keys in work that were added meanwhile. */
  readonly #again = new Set<string>();
  /** Keys that wait for a time, in milliseconds of the wall clock. */
  readonly #waiting = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #takers: Taker[] = [];
  #alarm: { at: number; abort: AbortController } | undefined;
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#labels = { controller: options.name };
    this.#backoff = options.backoff ?? { baseSeconds: 0.1, maxSeconds: 60 };
    this.#random = options.random ?? Math.random;
    this.#metrics.workqueueDepth.set(this.#labels, 0);
    this.#metrics.workqueueLongestRunningSeconds.set(this.#labels, 0);
    this.#metrics.workqueueAdds.inc(this.#labels, 0);
    this.#metrics.workqueueRetries.inc(this.#labels, 0);
    this.#metrics.workqueueWaitSeconds.zero(this.#labels);
    this.#metrics.workqueueWorkSeconds.zero(this.#labels);
  }

  /** Keys that are ready and not taken. */
  get depth(): number {
    return this.#ready.size;
  }

  /** Makes the key ready, unless it is already. */
  add(key: string): void {
    if (this.#closed || this.#ready.has(key) || this.#again.has(key)) return;
    this.#metrics.workqueueAdds.inc(this.#labels);
    if (this.#active.has(key)) this.#again.add(key);
    else this.#makeReady(key);
  }

  /**
   * Makes the key ready after the seconds, zero or more, however many; of several such wishes the earliest counts.
   * Throws a RangeError for a negative number or none.
   */
  addAfter(key: string, seconds: number): void {
    if (!(seconds >= 0)) throw new RangeError(`key ${key} cannot be added after ${seconds} s; it takes zero or more`);
    if (this.#closed) return;
    if (seconds === 0) {
      this.add(key);
      return;
    }
    const at = this.#clock.now().getTime() + seconds * 1000;
    this.#waiting.set(key, Math.min(at, this.#waiting.get(key) ?? at));
    if (this.#alarm === undefined || at < this.#alarm.at) this.#setAlarm();
  }

  /** Makes the key ready after a delay that grows with every call, until `forget`. Returns the delay in seconds. */
  addRateLimited(key: string): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const seconds = backoffSeconds(failures, this.#backoff, this.#random);
    this.#metrics.workqueueRetries.inc(this.#labels);
    this.addAfter(key, seconds);
    return seconds;
  }

  /** Starts the delays of the key anew; for a key that went well. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * Takes the key that has been ready for longest, and waits for one when there is none. It is in work until `done`.
   * A time the key was still waiting for is dropped: who takes it now decides anew. Rejects with the signal's reason.
   */
  async take(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const first = this.#ready.keys().next();
    if (!first.done) return this.#start(first.value);
    return new Promise((resolve, reject) => {
      const taker: Taker = {
        resolve: (key) => {
          signal.removeEventListener("abort", onAbort);
          resolve(key);
        },
        reject,
      };
      const onAbort = () => {
        this.#takers.splice(this.#takers.indexOf(taker), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#takers.push(taker);
    });
  }

  /** Ends the work on the key; if it was added meanwhile, it is ready again. */
  done(key: string): void {
    const since = this.#active.get(key);
    if (since === undefined) throw new Error(`key ${key} is not in work`);
    this.#active.delete(key);
    this.#metrics.workqueueWorkSeconds.observe(this.#labels, this.#secondsSince(since));
    if (this.#again.delete(key)) this.#makeReady(key);
  }

  /** Sets the metric of the longest running key, which changes by itself; call it before the metrics are read. */
  refreshMetrics(): void {
    const longest = Math.max(0, ...[...this.#active.values()].map((since) => this.#secondsSince(since)));
    this.#metrics.workqueueLongestRunningSeconds.set(this.#labels, longest);
  }

  /** Drops what waits, and every later addition. */
  close(): void {
    this.#closed = true;
    this.#alarm?.abort.abort();
    this.#alarm = undefined;
    this.#ready.clear();
    this.#again.clear();
    this.#waiting.clear();
    this.#metrics.workqueueDepth.set(this.#labels, 0);
  }

  #makeReady(key: string): void {
    if (this.#closed) return;
    this.#ready.set(key, this.#clock.monotonicMilliseconds());
    const taker = this.#takers.shift();
    if (taker !== undefined) taker.resolve(this.#start(key));
    this.#metrics.workqueueDepth.set(this.#labels, this.#ready.size);
  }

  #start(key: string): string {
    const addedAt = this.#ready.get(key) ?? 0;
    this.#ready.delete(key);
    this.#waiting.delete(key);
    this.#active.set(key, this.#clock.monotonicMilliseconds());
    this.#metrics.workqueueDepth.set(this.#labels, this.#ready.size);
    this.#metrics.workqueueWaitSeconds.observe(this.#labels, this.#secondsSince(addedAt));
    return key;
  }

  /** One timer, for the earliest of all keys that wait. */
  #setAlarm(): void {
    const at = [...this.#waiting.values()].reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
    this.#alarm?.abort.abort();
    this.#alarm = undefined;
    if (!Number.isFinite(at)) return;
    const alarm = { at, abort: new AbortController() };
    this.#alarm = alarm;
    this.#clock.sleep(at - this.#clock.now().getTime(), alarm.abort.signal).then(
      () => this.#ring(alarm),
      () => {},
    );
  }

  #ring(alarm: { at: number }): void {
    if (this.#alarm !== alarm) return;
    this.#alarm = undefined;
    const now = this.#clock.now().getTime();
    for (const [key, at] of [...this.#waiting]) {
      if (at > now) continue;
      this.#waiting.delete(key);
      this.add(key);
    }
    this.#setAlarm();
  }

  #secondsSince(monotonicMilliseconds: number): number {
    return (this.#clock.monotonicMilliseconds() - monotonicMilliseconds) / 1000;
  }
}
