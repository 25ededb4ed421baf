import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Testbed } from "./testbed.ts";

/**
 * What a removed testbed left behind: processes that name one of its folders or stand in one, mounts, and the folders
 * themselves. Empty when all is gone. Take `foldersOf` before removing it.
 */
export function findLeaks(folders: string[]): string[] {
  const standing = folders.filter((folder) => existsSync(folder)).map((folder) => `folder ${folder}`);
  const processes = processesNaming(folders).map(({ pid, commandLine }) => `process ${pid}: ${commandLine}`);
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => folders.some((folder) => line.includes(folder)))
    .map((line) => `mount ${line}`);
  return [...standing, ...processes, ...mounts];
}

export function foldersOf(testbed: Testbed): string[] {
  return [testbed.folder, ...testbed.hosts.flatMap((host) => host.folders)];
}

/** Ends, by SIGKILL, every process that names one of the folders; resolves when they are gone. */
export async function endProcessesNaming(folders: string[]): Promise<void> {
  for (let left = processesNaming(folders); left.length > 0; left = processesNaming(folders)) {
    for (const { pid } of left) killIfThere(pid);
    await sleep(20);
  }
}

function processesNaming(folders: string[]): { pid: number; commandLine: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const commandLine = commandLineNaming(name, folders);
      return commandLine === undefined ? [] : [{ pid: Number(name), commandLine }];
    });
}

function commandLineNaming(pid: string, folders: string[]): string | undefined {
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    const standsIn = readlinkSync(`/proc/${pid}/cwd`);
    const touches = folders.some((folder) => commandLine.includes(folder) || standsIn.startsWith(folder));
    return touches ? commandLine : undefined;
  } catch {
    // It ended while we looked, or belongs to the kernel.
    return undefined;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
