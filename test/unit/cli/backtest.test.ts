import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { runBacktest } from "../../../src/cli/backtest.ts";
import { UsageError } from "../../../src/cli/usage.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const header = "plan,memory_mib,seconds,parallel,plan_seconds";
const rows = Array.from(
  { length: 8 },
  (_, plan) => `p${plan},${256 * (1 + (plan % 3))},${5 + (plan % 3)},1,${5 + (plan % 3)}`,
);

describe("vacate backtest", () => {
  const directory = temporaryDirectory();
  after(() => directory.remove());

  function file(...lines: string[]): string {
    const path = join(directory.path, "recording.csv");
    writeFileSync(path, `${[header, ...lines].join("\n")}\n`);
    return path;
  }

  async function printed(argv: string[]): Promise<string> {
    const lines: string[] = [];
    const { log } = console;
    console.log = (line: string) => lines.push(line);
    try {
      await runBacktest(argv, new AbortController().signal);
    } finally {
      console.log = log;
    }
    return lines.join("\n");
  }

  async function refusal(...argv: string[]): Promise<string> {
    const error = await printed(argv).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(UsageError);
    return (error as UsageError).message;
  }

  it("should print one object of fractions with --json", async () => {
    const result = JSON.parse(await printed([file(...rows), "--json", "--on-time", "0.9"]));
    expect(result).to.have.keys("vm", "plan", "justInTime", "baselines");
    expect(result.vm).to.have.keys("n", "mape", "p90", "bias");
    expect(result.plan).to.have.keys("n", "mape", "p90");
    expect(result.justInTime).to.have.keys("probability", "onTime", "idle");
    expect(result.baselines).to.have.keys("mean", "rate", "last");
    expect(result.vm.n).to.equal(5);
    expect(result.vm.mape).to.be.below(0.01);
    expect(result.justInTime).to.include({ probability: 0.9, onTime: 1 });
  });

  it("should print a table for people", async () => {
    const table = await printed([file(...rows), "--warm-up", "4"]);
    expect(table).to.contain("4 migrations in 4 plans").and.to.contain("seconds per MiB");
  });

  it("should refuse files and options that make no sense, and say why", async () => {
    expect(await refusal()).to.contain("one file");
    expect(await refusal(join(directory.path, "none.csv"))).to.contain("cannot read");
    expect(await refusal(directory.path)).to.contain("cannot read");
    expect(await refusal(file("p,x,1,1,1"))).to.match(/recording\.csv: line 2: memory_mib "x"/);
    expect(await refusal(file(...rows), "--warm-up", "8")).to.contain("has 8 plans; with --warm-up 8 none is left");
    for (const probability of ["0", "1", "x", "-0.5", "99%"]) {
      expect(await refusal(file(...rows), `--on-time=${probability}`)).to.contain("above 0 and below 1");
    }
  });
});
