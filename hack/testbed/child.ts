import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** A process of the testbed: its standard error goes to a file, its first line of standard output says that it is ready. */
export interface Child {
  readonly pid: number;
  /** The line that said it is ready. */
  readonly readyLine: string;
  /** Resolves when it has ended, with its exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** SIGTERM, and SIGKILL when it is still there after the grace time. */
  stop(graceMilliseconds?: number): Promise<void>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
}

/**
 * Starts a command and waits until it prints its first line.
 * @throws Error with the end of its log when it ends before that
 */
export async function startChild(
  name: string,
  command: string[],
  options: { logFile: string; env?: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<Child> {
  options.signal.throwIfAborted();
  const log = openSync(options.logFile, "a", 0o600);
  const [file, ...args] = command as [string, ...string[]];
  // A group of its own: Ctrl-C in the terminal must reach the testbed alone, which then stops its children in order.
  const child = spawn(file, args, { stdio: ["ignore", "pipe", log], env: options.env ?? process.env, detached: true });
  closeSync(log);
  const exited = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.once("error", () => resolve(null));
  });
  try {
    const readyLine = await firstLine(name, child, exited, options);
    return {
      pid: child.pid as number,
      readyLine,
      exited,
      stop: (graceMilliseconds = 10_000) => stop(child, exited, graceMilliseconds),
      kill: () => stop(child, exited, 0),
    };
  } catch (error) {
    await stop(child, exited, 0);
    throw error;
  }
}

function firstLine(
  name: string,
  child: ChildProcess,
  exited: Promise<number | null>,
  { logFile, signal }: { logFile: string; signal: AbortSignal },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.once("line", (line) => {
      resolve(line);
      // Nobody reads further lines; without this a full pipe would block the child.
      lines.on("line", () => {});
    });
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    child.once("error", (error) => reject(new Error(`${name} cannot be started: ${error.message}`)));
    exited.then((code) => {
      // After a ready process ends, possibly with its folder already gone, nobody asks why.
      const tail = existsSync(logFile) ? readFileSync(logFile, "utf8").split("\n").slice(-15).join("\n") : "";
      reject(new Error(`${name} ended with code ${code} before it was ready:\n${tail}`));
    });
  });
}

async function stop(child: ChildProcess, exited: Promise<number | null>, graceMilliseconds: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (graceMilliseconds > 0) child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMilliseconds);
  await exited;
  clearTimeout(timer);
}
