/**
 * `npm run demo`: a control plane and four hosts on this machine, six guests, three moves to learn from, and a reservation
 * for two hosts; shows what is planned and what happens, and ends with the score.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { formatSeconds } from "../../src/api/duration.ts";
import { parseWholeNumber, UsageError } from "../../src/cli/usage.ts";
import { Demo } from "./demo.ts";
import { scoreLines } from "./score.ts";
import { Screen } from "./screen.ts";

const help = `usage: npm run demo -- [OPTIONS]

  --driver QEMU|Simulated  what runs the guests, default QEMU
  --window-in SECONDS      the window starts this long after the reservation is made, default 60
  --json FILE              also write the score to a file
  --keep                   leave all of it running at the end, until Ctrl-C`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      driver: { type: "string", default: "QEMU" },
      "window-in": { type: "string", default: "60" },
      json: { type: "string" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  if (values.driver !== "QEMU" && values.driver !== "Simulated") {
    throw new UsageError(`--driver ${values.driver}: there are QEMU and Simulated`);
  }
  const windowInSeconds = parseWholeNumber("window-in", values["window-in"], 20, 3600);

  const interrupted = interruption();
  const screen = new Screen(process.stdout);
  const demo = new Demo({ driver: values.driver, windowInSeconds, screen });
  const started = performance.now();
  try {
    const score = await demo.run(interrupted);
    screen.say(`\n${scoreLines(score).join("\n")}`);
    screen.say(`\ndemo took ${formatSeconds((performance.now() - started) / 1000)} after set-up`);
    if (values.json) writeFileSync(values.json, `${JSON.stringify(score, null, 2)}\n`);
    process.exitCode = score.passed ? 0 : 1;
    if (values.keep) await keepUntilInterrupted(screen, demo, interrupted);
  } catch (error) {
    if (!interrupted.aborted) throw error;
    screen.keep();
    screen.say("interrupted");
    process.exitCode = 130;
  } finally {
    screen.keep();
    screen.say("cleaning up …");
    await demo.remove();
  }
}

/** A second Ctrl-C changes nothing: the clean-up that the first one began must not be cut short. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => controller.abort(new Error(`received ${name}`)));
  }
  return controller.signal;
}

async function keepUntilInterrupted(screen: Screen, demo: Demo, signal: AbortSignal): Promise<void> {
  screen.say(`\nstill running; look around with\n${demo.followCommands()}\nand end it with Ctrl-C`);
  // A pending promise alone does not keep Node alive.
  const alive = setInterval(() => {}, 60_000);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  clearInterval(alive);
}

main().catch((error: unknown) => {
  console.error(`demo: ${error instanceof Error ? error.message : error}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
