import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Testbed } from "./testbed.ts";

/**
 * What a removed testbed left behind: processes that name one of its folders or stand in one, and the folders themselves.
 * Empty when all is gone. Take `folders` before removing it.
 */
export function findLeaks(folders: string[]): string[] {
  const standing = folders.filter((folder) => existsSync(folder)).map((folder) => `folder ${folder}`);
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => processLeak(pid, folders));
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => folders.some((folder) => line.includes(folder)))
    .map((line) => `mount ${line}`);
  return [...standing, ...processes, ...mounts];
}

export function foldersOf(testbed: Testbed): string[] {
  return [testbed.folder, ...testbed.hosts.flatMap((host) => host.folders)];
}

function processLeak(pid: string, folders: string[]): string[] {
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    const standsIn = readlinkSync(`/proc/${pid}/cwd`);
    const touches = folders.some((folder) => commandLine.includes(folder) || standsIn.startsWith(folder));
    return touches ? [`process ${pid}: ${commandLine}`] : [];
  } catch {
    // It ended while we looked, or belongs to the kernel.
    return [];
  }
}
