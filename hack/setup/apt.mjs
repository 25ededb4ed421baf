// The few apt and dpkg commands that set-up needs. Nothing here installs: see system-packages.mjs for that.

import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Runs a command to its end.
 *
 * @param {string} command
 * @param {string[]} parameters
 * @param {{cwd?: string}} [options]
 * @returns {Promise<string>} its standard output
 * @throws {Error} with the last lines the command wrote to standard error
 */
export async function output(command, parameters, options = {}) {
  try {
    const environment = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
    const result = await run(command, parameters, { ...options, env: environment, maxBuffer: 64 * 1024 * 1024 });
    return result.stdout;
  } catch (error) {
    const complaint = String(error.stderr || error.message)
      .trim()
      .split("\n")
      .slice(-6)
      .join("\n");
    throw new Error(`${[command, ...parameters].join(" ")} failed:\n${complaint}`, { cause: error });
  }
}

/**
 * @param {string} command a program's name, looked for on PATH and in the folders of system programs
 * @returns {string | undefined} its path
 */
export function findCommand(command) {
  for (const folder of [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"]) {
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/**
 * The words to put before a command that needs root: none for root itself, `sudo -n` where that asks for no password.
 *
 * @returns {Promise<string[] | undefined>} undefined when neither is to be had
 */
export async function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  if (!findCommand("sudo")) return undefined;
  try {
    await output("sudo", ["-n", "true"]);
    return ["sudo", "-n"];
  } catch {
    return undefined;
  }
}

/**
 * Runs `action`; when it fails, brings the package lists up to date and runs it once more. A fresh container has no
 * lists at all, and old lists name files that the mirror no longer has; otherwise no update is ever made.
 *
 * @template T
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withFreshLists(action) {
  try {
    return await action();
  } catch (error) {
    const prefix = await rootPrefix();
    if (!prefix)
      throw new Error(`${error.message}\nThe package lists may be old; try: sudo apt-get update`, { cause: error });
    const [command, ...parameters] = [...prefix, "apt-get", "-q", "update"];
    await output(command, parameters);
    return action();
  }
}

/**
 * What apt would install, upgrades of what is there included, if it were asked for these packages.
 *
 * @param {string[]} packageNames
 * @returns {Promise<string[]>} package names
 */
export async function wouldInstall(packageNames) {
  const simulated = await output("apt-get", ["-s", "-q", "--no-install-recommends", "install", ...packageNames]);
  return [...simulated.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]);
}

/**
 * The packages that a package depends on directly, the first of each group of alternatives.
 *
 * @param {string} packageName
 * @returns {Promise<string[]>}
 */
export async function directDependencies(packageName) {
  const shown = await output("apt-cache", ["show", "--no-all-versions", packageName]);
  const line = /^Depends: (.*)$/m.exec(shown)?.[1] ?? "";
  return line
    .split(",")
    .map((group) => group.trim().split(/[\s:(|]/)[0])
    .filter((name) => name !== undefined && name !== "");
}

/**
 * Downloads packages, checked by apt against the archive's signature, into `folder`. Needs no root.
 *
 * @param {string[]} packageNames
 * @param {string} folder
 */
export async function download(packageNames, folder) {
  // apt would like to download as the user _apt, who may not write here, and warns at length when it cannot.
  const sandbox = process.getuid?.() === 0 ? ["-o", "APT::Sandbox::User=root"] : [];
  await output("apt-get", ["-q", ...sandbox, "-o", "Acquire::Retries=3", "download", ...packageNames], { cwd: folder });
}
