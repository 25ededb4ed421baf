import type { MeasuredPlan } from "../../src/model/plan-learner.ts";

/** How generated migrations behave. Everything that is absent does not happen. */
export interface Behaviour {
  plans: number;
  /** Relative standard deviation of a migration. */
  noise: number;
  /** Migrations in a plan: from, to. */
  migrations: [number, number];
  /** Degrees of parallelism, one chosen by plan. */
  parallel?: number[];
  /** Each other migration at once makes one take longer by this share. */
  contention?: number;
  /** Share of migrations that take ten times as long. */
  outliers?: number;
  /** Share of migrations whose suspend, a tenth of the whole, takes ten times as long. */
  slowSuspends?: number;
  /** Factor on everything, by plan. */
  level?: (plan: number) => number;
  /** Seconds alone, by MiB. */
  seconds?: (mebibytes: number) => number;
  /** Seconds between two migrations of a plan. */
  handling?: number;
  noiseShape?: "normal" | "skewed";
  warmUp?: number;
}

/** Uniform numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function normalNumbers(uniform: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

const sizes = [128, 192, 256, 384, 512, 768, 1024];

/** Plans as a host with that behaviour would have run them. */
export function* generatePlans(behaviour: Behaviour, seed: number): Generator<MeasuredPlan> {
  const uniform = randomNumbers(seed);
  const normal = normalNumbers(uniform);
  const { seconds = (mebibytes: number) => 3 + 0.012 * mebibytes, parallel = [1], handling = 0 } = behaviour;
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(uniform() * items.length)] as Item;
  for (let plan = 0; plan < behaviour.plans; plan++) {
    const [fewest, most] = behaviour.migrations;
    const count = fewest + Math.floor(uniform() * (most - fewest + 1));
    const atOnce = Math.min(pick(parallel), count);
    const level = (behaviour.level?.(plan) ?? 1) * (plan === 0 ? (behaviour.warmUp ?? 1) : 1);
    const migrations = Array.from({ length: count }, () => {
      const mebibytes = pick(sizes);
      const noise = behaviour.noiseShape === "skewed" ? -Math.log(1 - uniform()) - 0.7 : normal();
      let outlier = uniform() < (behaviour.outliers ?? 0) ? 10 : 1;
      if (behaviour.slowSuspends && uniform() < behaviour.slowSuspends) outlier = 1.9;
      const shared = 1 + (behaviour.contention ?? 0) * (atOnce - 1);
      const measured = seconds(mebibytes) * level * shared * Math.max(0.3, 1 + behaviour.noise * noise) * outlier;
      return { stateBytes: mebibytes * 2 ** 20, seconds: measured, parallel: atOnce };
    });
    yield {
      migrations,
      totalSeconds: makespan(
        migrations.map((each) => each.seconds + handling),
        atOnce,
      ),
    };
  }
}

function makespan(durations: readonly number[], atOnce: number): number {
  const ends = Array<number>(atOnce).fill(0);
  for (const duration of durations) {
    const first = ends.indexOf(Math.min(...ends));
    ends[first] = (ends[first] ?? 0) + duration;
  }
  return Math.max(...ends);
}

const base: Behaviour = { plans: 400, noise: 0.05, migrations: [1, 6] };

export const behaviours: Record<string, Behaviour> = {
  "linear, 3 % noise": { ...base, noise: 0.03 },
  "linear, 10 % noise": { ...base, noise: 0.1 },
  "skewed noise": { ...base, noiseShape: "skewed" },
  "warm-up, handling": { ...base, warmUp: 2.5, handling: 0.8 },
  quadratic: { ...base, seconds: (mebibytes) => 2 + 0.004 * mebibytes + 1.5e-5 * mebibytes ** 2 },
  "rate only": { ...base, seconds: (mebibytes) => 0.012 * mebibytes },
  "slow drift": { ...base, noise: 0.03, level: (plan) => 1 + 0.002 * plan },
  wave: { ...base, noise: 0.03, level: (plan) => 1 + 0.2 * Math.sin(plan / 15) },
  jump: { ...base, noise: 0.03, level: (plan) => (plan < 150 ? 1 : plan < 280 ? 1.5 : 0.9) },
  parallel: { ...base, parallel: [1, 2, 4], contention: 0.4, migrations: [2, 8] },
  "1 % of suspends x10": { ...base, slowSuspends: 0.01 },
  "1 % of migrations x10": { ...base, outliers: 0.01 },
  "all together": {
    ...base,
    parallel: [1, 2, 4],
    contention: 0.4,
    migrations: [2, 8],
    outliers: 0.01,
    warmUp: 2,
    handling: 0.5,
    level: (plan) => 1 + 0.001 * plan,
  },
};
