import { parseArgs } from "node:util";
import { parseDuration } from "../api/duration.ts";
import { comparePolicies } from "../simulation/compare-policies.ts";
import { scoreTable } from "./score-table.ts";
import { parseWholeNumber, UsageError } from "./usage.ts";

const help = `usage: vacate simulate [OPTIONS]

Runs the real controllers and the real planner against simulated hosts on a virtual clock, once for each way of choosing when to
begin, and compares how many windows were on time, how long hosts stood idle, and how long VMs stood still. The same options give the
same answer, byte for byte.

  --days N       simulated days, default 30
  --hosts N      hosts, default 20
  --vms N        virtual machines, default 60
  --seed N       draws another workload and other noise, default 1
  --lead D       of the policy that always begins as early, default 15m
  --json         one object instead of a table`;

/** `vacate simulate` */
export async function runSimulate(argv: string[], signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: "boolean" },
      days: { type: "string", default: "30" },
      hosts: { type: "string", default: "20" },
      vms: { type: "string", default: "60" },
      seed: { type: "string", default: "1" },
      lead: { type: "string", default: "15m" },
      json: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  const scale = {
    days: parseWholeNumber("days", values.days, 1, 3650),
    hosts: parseWholeNumber("hosts", values.hosts, 2, 1000),
    virtualMachines: parseWholeNumber("vms", values.vms, 0, 10_000),
    seed: parseWholeNumber("seed", values.seed, 0, 2 ** 32 - 1),
  };
  const leadSeconds = leadOption(values.lead);
  const scores = await comparePolicies(scale, leadSeconds, signal);
  const output = values.json
    ? `${JSON.stringify({ ...scale, leadSeconds, policies: scores }, undefined, 2)}\n`
    : scoreTable(scale, leadSeconds, scores);
  process.stdout.write(output);
}

function leadOption(text: string): number {
  try {
    const seconds = parseDuration(text);
    if (seconds > 0) return seconds;
  } catch {
    // Said below.
  }
  throw new UsageError(`--lead ${JSON.stringify(text)} is not a duration above zero such as 90s, 15m or 1h30m`);
}
