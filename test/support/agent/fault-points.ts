/** What a crashed agent's code runs into: nothing it does has an effect any more. */
class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
}

/**
 * Counts the moments at which an agent has an effect outside its own memory (a write to the journal, a call of the driver,
 * before and after each), and lets it crash at one of them: from then on every effect fails.
 */
export class FaultPoints {
  /** The names of the points that were reached, in order. */
  readonly reached: string[] = [];
  readonly crashed: Promise<string>;
  readonly #markCrashed: (point: string) => void;
  #crashAt = Number.POSITIVE_INFINITY;
  #isCrashed = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.crashed = promise;
    this.#markCrashed = resolve;
  }

  get isCrashed(): boolean {
    return this.#isCrashed;
  }

  /** @param number of the point, counted from now on, beginning with 1 */
  crashAt(number: number): void {
    this.#crashAt = this.reached.length + number;
  }

  crashNow(): void {
    this.#isCrashed = true;
    this.#markCrashed("now");
  }

  reach(point: string): void {
    if (!this.#isCrashed) this.reached.push(point);
    if (!this.#isCrashed && this.reached.length === this.#crashAt) {
      this.#isCrashed = true;
      this.#markCrashed(point);
    }
    if (this.#isCrashed) throw new SimulatedCrash(`crashed before ${point}`);
  }
}
