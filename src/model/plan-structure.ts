/** How the durations of single migrations make up the total of a plan, so many at once. */
export type PlanStructure = (seconds: readonly number[], parallel: number) => number;

/** Candidates, the likeliest first. They are the same one after another. */
export const planStructures: readonly PlanStructure[] = [slots, waves, sharedWork];

/** Whoever ends makes room for the next one, in the given order. */
function slots(seconds: readonly number[], parallel: number): number {
  if (parallel >= seconds.length) return seconds.reduce((longest, each) => Math.max(longest, each), 0);
  const busyUntil = Array<number>(Math.max(1, parallel)).fill(0);
  for (const each of seconds) {
    let first = 0;
    for (let slot = 1; slot < busyUntil.length; slot++) {
      if ((busyUntil[slot] ?? 0) < (busyUntil[first] ?? 0)) first = slot;
    }
    busyUntil[first] = (busyUntil[first] ?? 0) + each;
  }
  return busyUntil.reduce((longest, each) => Math.max(longest, each), 0);
}

/** The next ones begin when all of the last ones have ended. */
function waves(seconds: readonly number[], parallel: number): number {
  let total = 0;
  for (let first = 0; first < seconds.length; first += Math.max(1, parallel)) {
    total += slots(seconds.slice(first, first + parallel), parallel);
  }
  return total;
}

/** The work spread evenly over the slots. */
function sharedWork(seconds: readonly number[], parallel: number): number {
  const sum = seconds.reduce((total, each) => total + each, 0);
  return sum / Math.max(1, Math.min(parallel, seconds.length));
}
