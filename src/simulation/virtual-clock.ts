import { setImmediate } from "node:timers/promises";
import type { Clock } from "../api/clock.ts";

interface Sleeper {
  dueMilliseconds: number;
  wake(): void;
}

/** A clock that stands still until it is advanced. Sleepers wake in the order of their time, then of their call. */
export class VirtualClock implements Clock {
  #wallMilliseconds: number;
  #monotonicMilliseconds = 0;
  readonly #sleepers = new Set<Sleeper>();

  constructor(start: Date | string = "2030-01-01T00:00:00Z") {
    this.#wallMilliseconds = new Date(start).getTime();
  }

  /** How many calls of `sleep` have not ended. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  now(): Date {
    return new Date(this.#wallMilliseconds);
  }

  monotonicMilliseconds(): number {
    return this.#monotonicMilliseconds;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (milliseconds <= 0) return resolve();
      const remove = () => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        remove();
        reject(signal?.reason);
      };
      const wake = () => {
        remove();
        resolve();
      };
      const sleeper = { dueMilliseconds: this.#wallMilliseconds + milliseconds, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * Lets the time pass. Every sleeper that becomes due wakes at its own moment, and what it starts runs (as far as it
   * waits for nothing outside the process) before the next one wakes.
   */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#wallMilliseconds + milliseconds;
    await settle();
    for (let next = this.#nextUntil(end); next !== undefined; next = this.#nextUntil(end)) {
      this.#moveTo(next.dueMilliseconds);
      next.wake();
      await settle();
    }
    this.#moveTo(end);
  }

  /** When the next sleeper is due, in milliseconds since 1970; undefined when nobody sleeps. */
  nextDueMilliseconds(): number | undefined {
    return this.#nextUntil(Number.POSITIVE_INFINITY)?.dueMilliseconds;
  }

  /** Lets time pass in which nobody wakes, as while the whole process is suspended. Who overslept wakes at the next `advance`. */
  leapTo(wallMilliseconds: number): void {
    this.#moveTo(wallMilliseconds);
  }

  /** Sets the wall clock alone, as an administrator or NTP would. Sleepers notice at the next `advance`. */
  jumpTo(time: Date | string): void {
    this.#wallMilliseconds = new Date(time).getTime();
  }

  #nextUntil(end: number): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.dueMilliseconds > end) continue;
      const isEarlier = next === undefined || sleeper.dueMilliseconds < next.dueMilliseconds;
      // In the order of their calls, and the set keeps that.
      if (isEarlier) next = sleeper;
    }
    return next;
  }

  #moveTo(wallMilliseconds: number): void {
    const passed = Math.max(0, wallMilliseconds - this.#wallMilliseconds);
    this.#wallMilliseconds += passed;
    this.#monotonicMilliseconds += passed;
  }
}

/** Runs everything that is ready to run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await setImmediate();
}
