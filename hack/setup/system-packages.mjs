// Debian packages that have to be installed into the system. Only packages that start nothing: what starts a service
// is refused here, before apt touches the system.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findCommand, output, rootPrefix, withFreshLists } from "./apt.mjs";
import { cacheFolder, withLock } from "./cache.mjs";

/** A file of one of these kinds makes a package's installation start a daemon, or have one started at the next boot. */
const startsService =
  /^\.?\/?(usr\/)?lib\/systemd\/(system|user)\/[^/]+\.(service|socket|timer|path)$|^\.?\/?etc\/init\.d\/[^/]+$/;

/**
 * Installs, by apt, the packages of those commands that are missing, without what they only recommend.
 *
 * @param {Record<string, string>} packageOfCommand the package that has each command
 * @param {() => Promise<string[] | undefined>} [findRoot] the words to put before a command that needs root
 * @returns {Promise<string[]>} the packages that were installed; none when every command was there
 * @throws {Error} when packages are missing and neither root nor password-less sudo is to be had, or when one of the
 *   packages would start a service
 */
export async function ensureInstalled(packageOfCommand, findRoot = rootPrefix) {
  if (missingPackages(packageOfCommand).length === 0) return [];
  return withLock(join(cacheFolder(), "install.lock"), async () => {
    const missing = missingPackages(packageOfCommand);
    if (missing.length === 0) return [];
    const prefix = findCommand("apt-get") ? await findRoot() : undefined;
    if (!prefix) throw new Error(requestFor(missing));
    await install(missing, prefix);
    const still = missingPackages(packageOfCommand);
    if (still.length > 0) throw new Error(`installed ${still.join(", ")}, yet a command is missing from PATH`);
    return missing;
  });
}

/**
 * The programs that a package would start by being installed, by the files that make it so.
 *
 * @param {string} archive the path of a .deb
 * @returns {Promise<string[]>} paths of unit files and init scripts
 */
export async function servicesIn(archive) {
  const listing = await output("dpkg-deb", ["-c", archive]);
  const paths = listing.split("\n").map((line) => line.split(/\s+/)[5] ?? "");
  return paths.filter((path) => startsService.test(path));
}

function missingPackages(packageOfCommand) {
  const missing = Object.entries(packageOfCommand).filter(([command]) => !findCommand(command));
  return [...new Set(missing.map(([, name]) => name))];
}

function requestFor(packageNames) {
  return [
    `These Debian packages are missing, and installing them needs root or sudo without a password: ${packageNames.join(", ")}`,
    `Please run: sudo apt-get update && sudo apt-get install --no-install-recommends ${packageNames.join(" ")}`,
  ].join("\n");
}

async function install(packageNames, prefix) {
  const archives = mkdtempSync(join(cacheFolder(), ".installing-"));
  try {
    mkdirSync(join(archives, "partial"));
    const apt = (...parameters) => {
      const options = ["-q", "-y", "--no-install-recommends", "-o", `Dir::Cache::archives=${archives}`];
      const patience = ["-o", "DPkg::Lock::Timeout=300", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"];
      // Through env, because sudo gives the command an environment of its own.
      const environment = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1"];
      const [command, ...rest] = [...prefix, ...environment, "apt-get", ...options, ...patience, ...parameters];
      return output(command, rest);
    };
    // Removing something to make room would change the system more than was asked for; --no-remove makes it an error.
    await withFreshLists(() => apt("--download-only", "--no-remove", "install", ...packageNames));
    await refuseServices(archives);
    await apt("--no-remove", "install", ...packageNames);
  } finally {
    await removeAsRoot(archives, prefix);
  }
}

async function refuseServices(archives) {
  for (const file of readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
    const services = await servicesIn(join(archives, file));
    if (services.length > 0) {
      throw new Error(`installing ${file} would start a service (${services.join(", ")}); unpack it instead`);
    }
  }
}

async function removeAsRoot(folder, prefix) {
  const [command, ...parameters] = [...prefix, "rm", "-rf", folder];
  await output(command, parameters).catch(() => rmSync(folder, { recursive: true, force: true }));
}
