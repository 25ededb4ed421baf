import type { BacktestResult } from "./backtest.ts";
import type { ErrorScores } from "./scores.ts";

type Scores = Omit<ErrorScores, "bias"> & { bias?: number | null };

/** The result as tables for people. */
export function formatBacktest(result: BacktestResult): string {
  const { vm, plan, justInTime, baselines } = result;
  const predictors: [string, { vm: Scores; plan: Scores }][] = [
    ["vacate", { vm, plan }],
    ["mean so far", baselines.mean],
    ["seconds per MiB", baselines.rate],
    ["last value", baselines.last],
  ];
  const lines = predictors.map(([name, scores]) => [
    name,
    ...cells(scores.vm),
    percent(scores.vm.bias),
    ...cells(scores.plan),
  ]);
  const header = ["", "VM MAPE", "p90", "bias", "plan MAPE", "p90"];
  return [
    `${vm.n} migrations in ${plan.n} plans, each predicted only from those before it`,
    "",
    ...table([header, ...lines]),
    "",
    `just in time, asked for ${percent(justInTime.probability)}: ${percent(justInTime.onTime)} on time, ` +
      `${percent(justInTime.idle)} of the plans' time left unused`,
  ].join("\n");
}

function cells({ mape, p90 }: Scores): string[] {
  return [percent(mape), percent(p90)];
}

function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "-" : `${(100 * share).toFixed(1)} %`;
}

function table(lines: readonly string[][]): string[] {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
