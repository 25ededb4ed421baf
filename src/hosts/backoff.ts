/** Growing pauses between attempts, spread so that many hosts that failed together do not return together. */
export class Backoff {
  readonly #firstMilliseconds: number;
  readonly #longestMilliseconds: number;
  readonly #random: () => number;
  #failures = 0;

  /** @param random gives numbers from 0 to below 1 */
  constructor(firstMilliseconds: number, longestMilliseconds: number, random: () => number) {
    this.#firstMilliseconds = firstMilliseconds;
    this.#longestMilliseconds = longestMilliseconds;
    this.#random = random;
  }

  /** Milliseconds to wait now: between half of and the whole pause, which doubles each time up to the longest. */
  next(): number {
    const pause = Math.min(this.#firstMilliseconds * 2 ** this.#failures, this.#longestMilliseconds);
    this.#failures += 1;
    return pause * (0.5 + 0.5 * this.#random());
  }

  /** After a success the next pause is the first again. */
  reset(): void {
    this.#failures = 0;
  }
}
