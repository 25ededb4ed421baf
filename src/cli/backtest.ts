import { createReadStream } from "node:fs";
import { parseArgs } from "node:util";
import { Backtest, type BacktestOptions } from "../backtest/backtest.ts";
import { RecordingError, readPlans } from "../backtest/recording.ts";
import { formatBacktest } from "../backtest/report.ts";
import { parseWholeNumber, UsageError } from "./usage.ts";

const help = `usage: vacate backtest FILE.csv [OPTIONS]

Replays recorded migrations in their order, predicts each plan only from those before it, and shows how far off the
predictions were, next to three simple rules. The header needs these columns; others are ignored:

  plan          text; adjacent rows with the same value are one plan
  memory_mib    state of the VM in MiB
  seconds       of this VM's migration
  parallel      migrations at once
  plan_seconds  of the whole plan, the same on all its rows

  --on-time P        wanted probability of being on time, default 0.99
  --warm-up N        first plans that are not scored, default 3
  --freeze-after N   learn nothing any more after N plans
  --json             one object instead of tables; numbers are fractions, null where there was nothing to compare`;

const mostPlans = 1_000_000_000;

/** `vacate backtest`. */
export async function runBacktest(argv: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      help: { type: "boolean" },
      "on-time": { type: "string", default: "0.99" },
      "warm-up": { type: "string", default: "3" },
      "freeze-after": { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new UsageError("backtest takes one file; see --help");
  const freezeAfter = values["freeze-after"];
  const options: BacktestOptions = {
    onTimeProbability: probabilityOf(values["on-time"]),
    warmUpPlans: parseWholeNumber("warm-up", values["warm-up"], 0, mostPlans),
    ...(freezeAfter !== undefined && {
      freezeAfterPlans: parseWholeNumber("freeze-after", freezeAfter, 1, mostPlans),
    }),
  };
  const backtest = await replay(file, options, signal);
  if (backtest.plans <= options.warmUpPlans) {
    throw new UsageError(
      `${file}: has ${backtest.plans} plans; with --warm-up ${options.warmUpPlans} none is left to score`,
    );
  }
  const result = backtest.result();
  console.log(values.json ? JSON.stringify(result) : formatBacktest(result));
}

async function replay(file: string, options: BacktestOptions, signal: AbortSignal): Promise<Backtest> {
  const backtest = new Backtest(options);
  try {
    for await (const plan of readPlans(createReadStream(file, { signal }))) backtest.add(plan);
  } catch (error) {
    if (error instanceof RecordingError) throw new UsageError(`${file}: ${error.message}`);
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EISDIR" || code === "EACCES") {
      throw new UsageError(`cannot read ${JSON.stringify(file)}: ${(error as Error).message}`);
    }
    throw error;
  }
  return backtest;
}

function probabilityOf(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value < 1) return value;
  throw new UsageError(`--on-time ${JSON.stringify(text)} is not a number above 0 and below 1, such as 0.99`);
}
