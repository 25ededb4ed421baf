/** How long to wait before trying again. */
export interface BackoffOptions {
  /** The longest first delay. */
  baseSeconds: number;
  /** No delay is longer. */
  maxSeconds: number;
}

/**
 * Seconds to wait after so many failures in a row (1 or more): doubling, capped, and by chance up to a half shorter, so
 * that those who failed together do not come back together.
 * @param random gives 0 up to, not including, 1.
 */
export function backoffSeconds(failures: number, options: BackoffOptions, random: () => number): number {
  const full = Math.min(options.maxSeconds, options.baseSeconds * 2 ** (failures - 1));
  return full * (1 - random() / 2);
}
