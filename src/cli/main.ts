import { readFileSync } from "node:fs";
import { isUsageError } from "./usage.ts";

type Command = (argv: string[], signal: AbortSignal) => Promise<void>;

/** Loaded when asked for: the agent must not pay for the API server, nor `sample` for either. */
const commands: Record<string, { summary: string; load: () => Promise<Command> }> = {
  standalone: {
    summary: "serve a Kubernetes-compatible API and run the operator, all in one process",
    load: async () => (await import("./standalone.ts")).runStandalone,
  },
  operator: {
    summary: "run the operator against a Kubernetes cluster",
    load: async () => (await import("./operator.ts")).runOperatorCommand,
  },
  agent: {
    summary: "run the host agent, on every VM host",
    load: async () => (await import("./agent.ts")).runAgent,
  },
  plan: {
    summary: "say what would become of a reservation, and change nothing",
    load: async () => (await import("./plan.ts")).runPlan,
  },
  backtest: {
    summary: "replay recorded migrations and show how good the predictions were",
    load: async () => (await import("./backtest.ts")).runBacktest,
  },
  simulate: {
    summary: "compare ways to choose when to begin, on simulated hosts",
    load: async () => (await import("./simulate.ts")).runSimulate,
  },
  sample: {
    summary: "print a manifest to start from",
    load: async () => (await import("./sample.ts")).runSample,
  },
};

function usage(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`);
  return ["usage: vacate COMMAND [OPTIONS]", "", ...lines, "", "vacate COMMAND --help tells a command's options."].join(
    "\n",
  );
}

/** Aborted by the first SIGINT or SIGTERM; a second one ends the process at once, as people expect of Ctrl-C twice. */
function terminationSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Error(`received ${name}`));
    });
  }
  return controller.signal;
}

async function main(argv: string[]): Promise<void> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "--help" || name === "help") {
    console.log(usage());
    return;
  }
  if (name === "--version") {
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    console.log(`vacate ${manifest.version}`);
    return;
  }
  const command = commands[name];
  if (!command) {
    console.error(`vacate: no command ${JSON.stringify(name)}\n\n${usage()}`);
    process.exitCode = 2;
    return;
  }
  const run = await command.load();
  await run(rest, terminationSignal());
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`vacate: ${error instanceof Error ? error.message : error}`);
  if (!isUsageError(error) && process.env.VACATE_DEBUG) console.error(error);
  // Something may still listen or wait; a command that failed must not hang.
  process.exit(isUsageError(error) ? 2 : 1);
});
