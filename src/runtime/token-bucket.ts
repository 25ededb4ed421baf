/**
 * A token bucket without a timer (GCRA): it keeps the moment at which it would be full again. Those who wait are served
 * in the order in which they asked.
 */
export class TokenBucket {
  readonly #intervalMilliseconds: number;
  readonly #burst: number;
  #fullAt = Number.NEGATIVE_INFINITY;

  /** @param perSecond tokens added each second. @param burst tokens it holds at most, 1 or more. */
  constructor(perSecond: number, burst: number) {
    this.#intervalMilliseconds = 1000 / perSecond;
    this.#burst = burst;
  }

  /** Takes a token and returns the milliseconds to wait until it may be used: 0 when it is there. */
  take(nowMilliseconds: number): number {
    const wait = this.#wait(nowMilliseconds);
    this.#fullAt = Math.max(this.#fullAt, nowMilliseconds) + this.#intervalMilliseconds;
    return wait;
  }

  /** Takes a token if there is one now. */
  tryTake(nowMilliseconds: number): boolean {
    if (this.#wait(nowMilliseconds) > 0) return false;
    this.take(nowMilliseconds);
    return true;
  }

  isFull(nowMilliseconds: number): boolean {
    return this.#fullAt <= nowMilliseconds;
  }

  #wait(nowMilliseconds: number): number {
    const fullAt = Math.max(this.#fullAt, nowMilliseconds);
    return Math.max(0, fullAt - nowMilliseconds - (this.#burst - 1) * this.#intervalMilliseconds);
  }
}
