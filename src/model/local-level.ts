/** Where a series stands now, and how fast it had to be followed. */
export interface LocalLevel {
  /** After the last value. */
  level: number;
  /** Before each value: what it was expected to be. */
  expected: number[];
  /** After each value. */
  path: number[];
  /** Share of a surprise that is taken over; 0 where the series does not wander. */
  gain: number;
}

const gains: readonly number[] = [0, 0.03, 0.07, 0.15, 0.3, 0.5];
/** A level that follows has to expect the series better by this share than none. */
const worthFollowing = 0.03;
/** Values taken to find where it started. */
const settling = 4;
/** Surprises beyond so many standard deviations count only that much. */
const clippedDeviations = 3;
/** So many surprises of one sign and beyond clipping, one after another, are a new level and no outliers. */
const newLevelRun = 3;

/**
 * Follows the level of a series that may wander or jump, by exponential smoothing. The speed is the one that would have
 * expected the series best; a single wild value hardly moves it, a run of them is a jump.
 * @param series values around 0, oldest first
 * @param deviation standard deviation of a value around its level; above 0
 */
export function followLevel(series: readonly number[], deviation: number): LocalLevel {
  let best: { track: LocalLevel; loss: number } | undefined;
  for (const gain of gains) {
    const track = follow(series, deviation, gain);
    const loss = lossOf(series, track.expected, deviation) * (gain > 0 ? 1 / (1 - worthFollowing) : 1);
    if (!best || loss < best.loss) best = { track, loss };
  }
  return best?.track ?? { level: 0, expected: [], path: [], gain: 0 };
}

function follow(series: readonly number[], deviation: number, gain: number): LocalLevel {
  const limit = clippedDeviations * deviation;
  let level = gain > 0 ? median(series.slice(0, settling)) : 0;
  let run: number[] = [];
  const expected: number[] = [];
  const path: number[] = [];
  for (const value of series) {
    expected.push(level);
    const surprise = value - level;
    const isWild = Math.abs(surprise) > limit;
    if (!isWild || (run[0] ?? surprise) * surprise < 0) run = [];
    if (isWild) run.push(surprise);
    if (gain > 0 && run.length >= newLevelRun) {
      level += median(run);
      run = [];
    } else {
      level += gain * Math.max(-limit, Math.min(limit, surprise));
    }
    path.push(level);
  }
  return { level, expected, path, gain };
}

/** Mean of the surprises' Huber losses after the start. */
function lossOf(series: readonly number[], expected: readonly number[], deviation: number): number {
  const limit = clippedDeviations * deviation;
  let sum = 0;
  for (let index = settling; index < series.length; index++) {
    const surprise = Math.abs((series[index] ?? 0) - (expected[index] ?? 0));
    sum += surprise <= limit ? surprise ** 2 : 2 * limit * surprise - limit ** 2;
  }
  return sum;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  // A typed array sorts by number, and many times faster.
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
