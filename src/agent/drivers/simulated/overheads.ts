import { createHash } from "node:crypto";

/** What one phase of a migration costs, as a linear function of the state's bytes. */
export interface PhaseCost {
  interceptSeconds: number;
  secondsPerByte: number;
}

export interface Overheads {
  suspend: PhaseCost;
  copy: PhaseCost;
  resume: PhaseCost;
}

export interface Noise {
  seed: number;
  /** Standard deviation of a phase's time, as a share of it; 0.1 is what real hosts show. */
  relativeStandardDeviation: number;
}

/** Near what the QEMU driver shows on 1 Gbit/s. */
export const defaultOverheads: Overheads = {
  suspend: { interceptSeconds: 0.05, secondsPerByte: 0 },
  copy: { interceptSeconds: 0.1, secondsPerByte: 1 / 117e6 },
  resume: { interceptSeconds: 0.08, secondsPerByte: 0 },
};

/** @returns seconds, without noise */
export function phaseSeconds(cost: PhaseCost, bytes: number): number {
  return cost.interceptSeconds + cost.secondsPerByte * bytes;
}

/** Factors around 1 by which phases take longer or shorter; the same seed gives the same ones. */
export class NoiseSource {
  readonly #noise: Noise | undefined;
  #drawn = 0;

  constructor(noise: Noise | undefined) {
    this.#noise = noise;
  }

  /** Normally distributed, never below a tenth. */
  next(): number {
    if (!this.#noise) return 1;
    const { seed, relativeStandardDeviation } = this.#noise;
    this.#drawn += 1;
    const radius = Math.sqrt(-2 * Math.log(1 - share(`${seed} radius ${this.#drawn}`)));
    const normal = radius * Math.cos(2 * Math.PI * share(`${seed} angle ${this.#drawn}`));
    return Math.max(0.1, 1 + relativeStandardDeviation * normal);
  }
}

/** A number from 0 up to 1 that looks random and depends on the text alone. */
export function share(text: string): number {
  return createHash("sha256").update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}
