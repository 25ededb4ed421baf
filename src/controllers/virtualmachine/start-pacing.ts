import type { Clock } from "../../api/clock.ts";
import { backoffMilliseconds } from "./backoff.ts";
import type { Refusal } from "./host-check.ts";

interface RefusedStart {
  refusal: Refusal;
  failures: number;
  untilMilliseconds: number;
}

/** Restarts this far apart are not the same trouble. */
const calmMilliseconds = 600_000;

/**
 * Keeps starts that fail and guests that keep dying from being tried in a loop. In memory only: after a restart of the
 * operator everything is tried once more, which harms nothing.
 */
export class StartPacing {
  readonly #clock: Clock;
  readonly #refused = new Map<string, Map<string, RefusedStart>>();
  readonly #restarts = new Map<string, { count: number; atMilliseconds: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The host refused to start the VM. Returns the milliseconds after which it may be asked again. */
  refused(uid: string, hostName: string, refusal: Refusal): number {
    const hosts = this.#refused.get(uid) ?? new Map<string, RefusedStart>();
    this.#refused.set(uid, hosts);
    const failures = (hosts.get(hostName)?.failures ?? 0) + 1;
    const wait = backoffMilliseconds(failures);
    hosts.set(hostName, { refusal, failures, untilMilliseconds: this.#clock.monotonicMilliseconds() + wait });
    return wait;
  }

  /** Hosts that are not asked again yet, with their refusal. */
  refusals(uid: string): Map<string, Refusal> {
    const now = this.#clock.monotonicMilliseconds();
    const current = [...(this.#refused.get(uid) ?? [])].filter(([, { untilMilliseconds }]) => now < untilMilliseconds);
    return new Map(current.map(([hostName, { refusal }]) => [hostName, refusal]));
  }

  started(uid: string): void {
    this.#refused.delete(uid);
  }

  restarted(uid: string): void {
    const now = this.#clock.monotonicMilliseconds();
    const before = this.#restarts.get(uid);
    const isCalm = before === undefined || now - before.atMilliseconds > calmMilliseconds;
    this.#restarts.set(uid, { count: isCalm ? 1 : before.count + 1, atMilliseconds: now });
  }

  /** Zero or more. */
  restartInMilliseconds(uid: string): number {
    const last = this.#restarts.get(uid);
    if (!last) return 0;
    const passed = this.#clock.monotonicMilliseconds() - last.atMilliseconds;
    return passed > calmMilliseconds ? 0 : Math.max(0, backoffMilliseconds(last.count) - passed);
  }

  forget(uid: string): void {
    this.#refused.delete(uid);
    this.#restarts.delete(uid);
  }
}
