import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/api/clock.ts";

/** A clock on which every sleep is over at once, for code that waits for real connections too. It keeps the sleeps. */
export class InstantClock implements Clock {
  readonly sleptSeconds: number[] = [];
  #milliseconds = Date.parse("2030-01-01T00:00:00Z");

  now(): Date {
    return new Date(this.#milliseconds);
  }

  monotonicMilliseconds(): number {
    return this.#milliseconds;
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.sleptSeconds.push(milliseconds / 1000);
    this.#milliseconds += milliseconds;
    await setImmediate();
    signal?.throwIfAborted();
  }
}
