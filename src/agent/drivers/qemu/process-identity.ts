import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { systemClock } from "../../../api/clock.ts";

const pollMilliseconds = 10;

/** A process, told apart from a later one that got the same number. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from the host's boot to the process's start, as `/proc` says it. */
  startTicks: string;
}

/** Whether the process still runs; one that has ended and was not waited for yet does not. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await startTicksOf(identity.pid)) === identity.startTicks;
}

/** @returns undefined when there is no such process, or it is not a QEMU that was started with this argument */
export async function identify(pid: number, argument: string): Promise<ProcessIdentity | undefined> {
  const startTicks = await startTicksOf(pid);
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const [program, ...parameters] = commandLine.split("\0");
  if (!startTicks || !basename(program ?? "").startsWith("qemu") || !parameters.includes(argument)) return undefined;
  // Read again, in case the number changed hands between the two.
  return (await startTicksOf(pid)) === startTicks ? { pid, startTicks } : undefined;
}

/** Every QEMU that was started with one of the arguments, by argument. */
export async function findProcesses(programArguments: string[]): Promise<Map<string, ProcessIdentity>> {
  const wanted = new Set(programArguments);
  const found = new Map<string, ProcessIdentity>();
  if (wanted.size === 0) return found;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const argument = commandLine.split("\0").find((each) => wanted.has(each));
    const identity = argument && (await identify(pid, argument));
    if (identity) found.set(argument, identity);
  }
  return found;
}

/** Ends the process at once, if it is still that one, and waits until it is gone. */
export async function killProcess(identity: ProcessIdentity): Promise<void> {
  if (!(await isAlive(identity))) return;
  try {
    process.kill(identity.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
  while (await isAlive(identity)) await systemClock.sleep(pollMilliseconds);
}

async function startTicksOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return text === undefined ? undefined : parseStartTicks(text);
}

/** @param stat the content of `/proc/PID/stat`; undefined is returned for a process that has ended */
export function parseStartTicks(stat: string): string | undefined {
  // The program's name, in brackets, may itself hold brackets and spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === "Z" || state === "X" ? undefined : fields[19];
}
