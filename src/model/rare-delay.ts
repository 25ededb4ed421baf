/** Something that happens seldom and costs much, such as a suspend that takes ten times as long. */
export interface RareDelay {
  /** How often it is to be expected; 0.01 is once in a hundred times. */
  expectedCount: number;
  /** What it adds when it happens. */
  seconds: number;
}

/** Kinds of delays that are told apart. */
const mostKinds = 4;
/** Delays at once that are told apart; more count as so many. */
const mostAtOnce = 4;

/** All of them together, those of similar length as one. */
export function mergeDelays(delays: readonly RareDelay[]): RareDelay[] {
  if (delays.length <= mostKinds) return [...delays];
  const sorted = delays.toSorted((a, b) => a.seconds - b.seconds);
  return Array.from({ length: mostKinds }, (_, kind) => {
    const group = sorted.slice(
      Math.floor((kind * sorted.length) / mostKinds),
      Math.floor(((kind + 1) * sorted.length) / mostKinds),
    );
    const expectedCount = group.reduce((sum, delay) => sum + delay.expectedCount, 0);
    const seconds = group.reduce((sum, delay) => sum + delay.expectedCount * delay.seconds, 0);
    return { expectedCount, seconds: seconds / expectedCount };
  });
}

/** Sums of delays, each with its probability. */
type Outcome = { probability: number; seconds: number };

/** The delays as they may come together, a Poisson number of them. The probabilities add up to 1. */
export function compoundDelays(delays: readonly RareDelay[]): Outcome[] {
  const kinds = mergeDelays(delays.filter(({ expectedCount }) => expectedCount > 0));
  const rate = kinds.reduce((sum, { expectedCount }) => sum + expectedCount, 0);
  const outcomes: Outcome[] = [];
  let outcomesOfCount: Outcome[] = [{ probability: Math.exp(-rate), seconds: 0 }];
  let left = 1;
  for (let count = 1; ; count++) {
    outcomes.push(...outcomesOfCount);
    left -= outcomesOfCount.reduce((sum, { probability }) => sum + probability, 0);
    if (left < 1e-5 || count > mostAtOnce) break;
    outcomesOfCount = withOneMore(outcomesOfCount, kinds, count);
  }
  const longest = outcomes.reduce((most, { seconds }) => Math.max(most, seconds), 0);
  return [...outcomes, { probability: Math.max(0, left), seconds: longest }];
}

function withOneMore(outcomes: readonly Outcome[], kinds: readonly RareDelay[], count: number): Outcome[] {
  const all = outcomes.flatMap(({ probability, seconds }) =>
    kinds.map((kind) => ({
      expectedCount: (probability * kind.expectedCount) / count,
      seconds: seconds + kind.seconds,
    })),
  );
  return mergeDelays(all).map(({ expectedCount, seconds }) => ({ probability: expectedCount, seconds }));
}
