/** How far off predictions were, as shares: 0.05 is 5 %. Null where there was nothing to compare. */
export interface ErrorScores {
  n: number;
  /** Mean absolute error relative to what was measured. */
  mape: number | null;
  /** 90th percentile of the absolute relative error. */
  p90: number | null;
  /** Mean relative error; positive means predicted too long. */
  bias: number | null;
}

/** Collects relative errors. Eight bytes each: a million of them is nothing. */
export class ErrorCollector {
  #errors = new Float64Array(1024);
  #count = 0;

  /** @param measuredSeconds above zero */
  add(predictedSeconds: number, measuredSeconds: number): void {
    if (this.#count === this.#errors.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#errors);
      this.#errors = larger;
    }
    this.#errors[this.#count++] = (predictedSeconds - measuredSeconds) / measuredSeconds;
  }

  scores(): ErrorScores {
    if (this.#count === 0) return { n: 0, mape: null, p90: null, bias: null };
    const errors = this.#errors.subarray(0, this.#count);
    const absolute = errors.map(Math.abs).sort();
    const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
    return {
      n: this.#count,
      mape: sum(absolute) / this.#count,
      p90: absolute[Math.ceil(0.9 * this.#count) - 1] ?? null,
      bias: sum(errors) / this.#count,
    };
  }
}
