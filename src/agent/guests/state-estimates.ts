import type { AgentContext } from "../context.ts";

const freshMilliseconds = 2_000;
const longestMilliseconds = 2_000;

/** How much a suspend now would leave to move, asked of the driver at most every two seconds a guest. */
export class StateEstimates {
  readonly #context: AgentContext;
  readonly #known = new Map<string, { at: number; bytes: Promise<number | undefined> }>();

  constructor(context: AgentContext) {
    this.#context = context;
  }

  /** Bytes; undefined when the driver cannot say. */
  of(handle: string): Promise<number | undefined> {
    const now = this.#context.clock.monotonicMilliseconds();
    for (const [key, { at }] of this.#known) if (now - at >= freshMilliseconds) this.#known.delete(key);
    const known = this.#known.get(handle);
    if (known) return known.bytes;
    const { driver, ending } = this.#context;
    const signal = AbortSignal.any([ending, AbortSignal.timeout(longestMilliseconds)]);
    const bytes = driver.estimateStateBytes(handle, signal).catch(() => undefined);
    this.#known.set(handle, { at: now, bytes });
    return bytes;
  }
}
