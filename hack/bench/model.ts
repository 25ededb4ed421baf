/**
 * How far off the predictions are, next to three simple rules: `node hack/bench/model.ts [--on-time P] [--seeds N]`.
 * Replays generated recordings (model-generators.ts) and, where there are any, those in hack/bench/recordings/*.csv.
 * Prints Markdown tables.
 */
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { Backtest, type BacktestResult } from "../../src/backtest/backtest.ts";
import { readPlans } from "../../src/backtest/recording.ts";
import type { MeasuredPlan } from "../../src/model/plan-learner.ts";
import { behaviours, generatePlans } from "./model-generators.ts";

const recordings = new URL("./recordings/", import.meta.url);

const { values } = parseArgs({
  options: { "on-time": { type: "string", default: "0.99" }, seeds: { type: "string", default: "3" } },
});
const onTimeProbability = Number(values["on-time"]);
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1);

async function replay(plans: Iterable<MeasuredPlan> | AsyncIterable<MeasuredPlan>): Promise<BacktestResult> {
  const backtest = new Backtest({ onTimeProbability, warmUpPlans: 3 });
  for await (const plan of plans) backtest.add(plan);
  return backtest.result();
}

/** Of the results, in percent. */
function mean(results: readonly BacktestResult[], of: (result: BacktestResult) => number | null): string {
  const all = results.map((result) => of(result) ?? Number.NaN);
  return ((100 * all.reduce((sum, value) => sum + value, 0)) / all.length).toFixed(1);
}

/** The interval that holds the true share with 95 %, by Wilson. */
function interval(results: readonly BacktestResult[]): string {
  const n = results.reduce((sum, { plan }) => sum + plan.n, 0);
  const share = results.reduce((sum, { plan, justInTime }) => sum + (justInTime.onTime ?? 0) * plan.n, 0) / n;
  const z = 1.96;
  const middle = (share + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2));
  return `${(100 * share).toFixed(1)} (${(100 * (middle - half)).toFixed(1)}–${(100 * Math.min(1, middle + half)).toFixed(1)})`;
}

function row(name: string, results: readonly BacktestResult[]): string {
  const baselines = (["mean", "rate", "last"] as const).flatMap((baseline) => [
    mean(results, (result) => result.baselines[baseline].vm.mape),
    mean(results, (result) => result.baselines[baseline].plan.mape),
  ]);
  const cells = [
    name,
    String(results.reduce((sum, { plan }) => sum + plan.n, 0)),
    mean(results, ({ vm }) => vm.mape),
    mean(results, ({ vm }) => vm.p90),
    mean(results, ({ plan }) => plan.mape),
    mean(results, ({ plan }) => plan.p90),
    interval(results),
    mean(results, ({ justInTime }) => justInTime.idle),
    ...baselines,
  ];
  return `| ${cells.join(" | ")} |`;
}

function header(): string {
  const cells = ["recording", "plans", "VM MAPE", "VM p90", "plan MAPE", "plan p90", "on time (95 % interval)", "idle"];
  const baselines = ["mean", "rate", "last"].flatMap((name) => [`${name}: VM`, `${name}: plan`]);
  const all = [...cells, ...baselines];
  return `| ${all.join(" | ")} |\n| ${all.map((_, index) => (index === 0 ? "---" : "---:")).join(" | ")} |`;
}

console.log(`Asked for ${100 * onTimeProbability} % on time. All numbers are percent.\n\n### Generated\n\n${header()}`);
for (const [name, behaviour] of Object.entries(behaviours)) {
  const results: BacktestResult[] = [];
  for (const seed of seeds) results.push(await replay(generatePlans(behaviour, seed)));
  console.log(row(name, results));
}
const files = existsSync(recordings) ? readdirSync(recordings).filter((file) => file.endsWith(".csv")) : [];
if (files.length > 0) console.log(`\n### Recorded\n\n${header()}`);
for (const file of files.sort()) {
  console.log(row(file, [await replay(readPlans(createReadStream(new URL(file, recordings))))]));
}
