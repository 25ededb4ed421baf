/** Source of time. Everything that decides by time takes one, so that tests and simulations can drive it. */
export interface Clock {
  /** The wall-clock time. It may jump. */
  now(): Date;
  /** Milliseconds that only go forward; for measuring durations. */
  monotonicMilliseconds(): number;
  /**
   * Resolves after the given time, or rejects with the signal's reason when it is aborted.
   * @param milliseconds zero or more; values above 2^31 - 1 are allowed.
   */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/** `setTimeout` fires at once above 2^31 - 1 ms, and drifts from the wall clock over suspends: re-arm at least every minute. */
const longestStepMilliseconds = 60_000;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMilliseconds: () => performance.now(),
  async sleep(milliseconds, signal) {
    const end = Date.now() + milliseconds;
    const monotonicEnd = performance.now() + milliseconds;
    // Whichever clock says so first: the monotonic one stands still while the machine is suspended, the wall clock may be set back.
    for (let left = milliseconds; left > 0; left = Math.min(end - Date.now(), monotonicEnd - performance.now())) {
      await step(Math.min(left, longestStepMilliseconds), signal);
    }
    signal?.throwIfAborted();
  },
};

function step(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
