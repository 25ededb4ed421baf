/**
 * How good the planner's answers are, and how fast they come.
 *
 *     node hack/bench/planner.ts [--instances N]
 *
 * Quality: random small clusters, each also solved exactly by an integer program (HiGHS). Speed: clusters up to 1,000
 * hosts with 10,000 VMs. Prints two tables in Markdown; fails when the mean gap is above 3 %, when the planner finds no
 * way where there is one, or when the largest plan takes more than a second of CPU.
 */
import { parseArgs } from "node:util";
import highsModule, { type Highs } from "highs";
import { admit } from "../../src/planner/admission.ts";
import type { Plan } from "../../src/planner/plan.ts";
import { solveExactly } from "./planner-exact.ts";
import { type Instance, randomInstance, type Shape } from "./planner-instances.ts";

const mostMeanGap = 0.03;
const mostSeconds = 1;

const { values } = parseArgs({ options: { instances: { type: "string", default: "40" } } });
const instances = Number(values.instances);
if (!Number.isInteger(instances) || instances < 1)
  throw new RangeError(`--instances ${values.instances} is not 1 or more`);

const smallShapes: readonly Shape[] = [
  { hosts: 4, guests: 20, count: 1, fill: 0.7 },
  { hosts: 6, guests: 45, count: 2, fill: 0.7 },
  { hosts: 6, guests: 70, count: 2, fill: 0.9 },
  { hosts: 8, guests: 60, count: 4, fill: 0.6 },
  { hosts: 8, guests: 100, count: 2, fill: 0.95 },
  { hosts: 12, guests: 100, count: 5, fill: 0.7 },
];
const largeShapes: readonly Shape[] = [
  { hosts: 10, guests: 100, count: 2, fill: 0.7 },
  { hosts: 100, guests: 1_000, count: 5, fill: 0.7 },
  { hosts: 300, guests: 3_000, count: 15, fill: 0.7 },
  { hosts: 1_000, guests: 10_000, count: 50, fill: 0.7 },
];

/** The sum of the predicted seconds of all migrations, as the exact answer counts it. */
function cost(plan: Plan): number {
  return plan.moves.reduce((sum, move) => sum + move.prediction.totalSeconds, 0);
}

interface Quality {
  feasible: number;
  missed: number;
  wrong: number;
  /** Not solvable but by moving VMs out of the way that could stay where they are. */
  relocated: number;
  unknown: number;
  gaps: number[];
  exactMilliseconds: number;
  plannerMilliseconds: number;
}

function quality(highs: Highs, shape: Shape): Quality {
  const result = {
    feasible: 0,
    missed: 0,
    wrong: 0,
    relocated: 0,
    unknown: 0,
    exactMilliseconds: 0,
    plannerMilliseconds: 0,
  };
  const gaps: number[] = [];
  for (let seed = 1; seed <= instances; seed++) {
    const instance = randomInstance(shape, seed);
    const exact = timed(() => solveExactly(highs, instance));
    const found = timed(() => admit(instance.request, instance.cluster));
    result.exactMilliseconds += exact.milliseconds;
    result.plannerMilliseconds += found.milliseconds;
    const { plan } = found.value;
    const relocates = plan?.moves.some(({ from }) => !plan.hosts.includes(from));
    if (exact.value.kind === "Unknown") result.unknown++;
    else if (exact.value.kind === "Infeasible") {
      // The program moves nobody out of the way; where it finds nothing, the planner may.
      if (relocates) result.relocated++;
      else if (plan) result.wrong++;
    } else {
      result.feasible++;
      if (!plan) result.missed++;
      else gaps.push(exact.value.seconds === 0 ? 0 : cost(plan) / exact.value.seconds - 1);
    }
  }
  return { ...result, gaps };
}

/** Wall clock and CPU: on a busy machine only the second says how much work it was. */
function timed<T>(run: () => T): { value: T; milliseconds: number; cpuMilliseconds: number } {
  const begin = performance.now();
  const cpu = process.cpuUsage();
  const value = run();
  const { user, system } = process.cpuUsage(cpu);
  return { value, milliseconds: performance.now() - begin, cpuMilliseconds: (user + system) / 1000 };
}

/** The first plan of a fresh cluster, as the operator meets it; the median of five. */
function speed(shape: Shape) {
  const runs = [1, 2, 3, 4, 5].map((seed) => {
    const instance: Instance = randomInstance(shape, seed);
    const before = process.memoryUsage().heapUsed;
    const { value, milliseconds, cpuMilliseconds } = timed(() => admit(instance.request, instance.cluster));
    const heapMebibytes = Math.max(0, process.memoryUsage().heapUsed - before) / 2 ** 20;
    if (!value.plan) throw new Error(`no plan for ${shape.hosts} hosts: ${value.refusal.message}`);
    return {
      milliseconds,
      cpuMilliseconds,
      heapMebibytes,
      moves: value.plan.moves.length,
      guests: instance.cluster.guests.length,
    };
  });
  const median = runs.sort((a, b) => a.cpuMilliseconds - b.cpuMilliseconds)[2];
  if (!median) throw new Error("no run");
  return median;
}

function printTable(rows: readonly (readonly (string | number)[])[]): void {
  const [head = [], ...body] = rows;
  for (const row of [head, head.map(() => "---:"), ...body]) console.log(`| ${row.join(" | ")} |`);
  console.log();
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
// The package is a module whose types say CommonJS: its default export is the loader itself.
const loadHighs = highsModule as unknown as typeof highsModule.default;
const highs = await loadHighs();
const qualities = smallShapes.map((shape) => ({ shape, ...quality(highs, shape) }));
const allGaps = qualities.flatMap(({ gaps }) => gaps);
const mean = (list: readonly number[]) => list.reduce((sum, one) => sum + one, 0) / Math.max(1, list.length);
printTable([
  [
    "hosts",
    "VMs",
    "reserved",
    "full",
    "solvable",
    "missed",
    "by moving others",
    "mean gap",
    "worst gap",
    "planner",
    "exact",
  ],
  ...qualities.map(({ shape, gaps, feasible, missed, relocated, plannerMilliseconds, exactMilliseconds }) => [
    shape.hosts,
    `≤ ${shape.guests}`,
    shape.count,
    `≤ ${100 * shape.fill} %`,
    `${feasible} of ${instances}`,
    missed,
    relocated,
    percent(Math.max(0, mean(gaps))),
    percent(Math.max(0, ...gaps)),
    `${(plannerMilliseconds / instances).toFixed(1)} ms`,
    `${(exactMilliseconds / instances).toFixed(1)} ms`,
  ]),
]);
const speeds = largeShapes.map((shape) => ({ shape, ...speed(shape) }));
printTable([
  ["hosts", "VMs", "reserved", "migrations", "CPU", "wall clock", "heap"],
  ...speeds.map(({ shape, guests, moves, milliseconds, cpuMilliseconds, heapMebibytes }) => [
    shape.hosts,
    guests,
    shape.count,
    moves,
    `${cpuMilliseconds.toFixed(0)} ms`,
    `${milliseconds.toFixed(0)} ms`,
    `${heapMebibytes.toFixed(0)} MiB`,
  ]),
]);

const slowest = Math.max(...speeds.map(({ cpuMilliseconds }) => cpuMilliseconds)) / 1000;
const failures = [
  ...(mean(allGaps) > mostMeanGap ? [`the mean gap is ${percent(mean(allGaps))}, above ${percent(mostMeanGap)}`] : []),
  ...qualities.flatMap(({ shape, missed, wrong, unknown }) => [
    ...(missed > 0 ? [`${missed} solvable instances with ${shape.hosts} hosts were refused`] : []),
    ...(wrong > 0 ? [`${wrong} plans with ${shape.hosts} hosts contradict the exact answer`] : []),
    ...(unknown > 0 ? [`${unknown} instances with ${shape.hosts} hosts were not solved exactly in time`] : []),
  ]),
  ...(slowest > mostSeconds ? [`the slowest plan took ${slowest.toFixed(1)} s of CPU`] : []),
];
for (const failure of failures) console.error(failure);
if (failures.length > 0) process.exitCode = 1;
