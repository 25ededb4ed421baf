// The npm packages of package-lock.json.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { output } from "./apt.mjs";
import { cacheFolder, withLock } from "./cache.mjs";

/**
 * Makes node_modules hold what package-lock.json says. Whether it does is remembered as the lock file's checksum.
 *
 * @param {string} projectFolder
 * @returns {Promise<boolean>} whether something had to be installed
 */
export async function ensureNpmPackages(projectFolder) {
  if (isCurrent(projectFolder)) return false;
  const lockName = `npm-${createHash("sha256").update(projectFolder).digest("hex").slice(0, 16)}.lock`;
  return withLock(join(cacheFolder(), lockName), async () => {
    if (isCurrent(projectFolder)) return false;
    rmSync(stampPath(projectFolder), { force: true });
    // Not `npm ci`: a registry mirror may lack optional packages for other platforms (another system's prebuilt binaries),
    // and npm ci refuses the whole lock file for them. With --no-save the lock file stays as it is and is obeyed.
    await output("npm", ["install", "--no-save", "--no-audit", "--no-fund"], { cwd: projectFolder });
    writeFileSync(stampPath(projectFolder), lockFileChecksum(projectFolder));
    return true;
  });
}

function isCurrent(projectFolder) {
  const stamp = stampPath(projectFolder);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === lockFileChecksum(projectFolder);
}

function stampPath(projectFolder) {
  return join(projectFolder, "node_modules", ".vacate-lock-checksum");
}

function lockFileChecksum(projectFolder) {
  return createHash("sha256")
    .update(readFileSync(join(projectFolder, "package-lock.json")))
    .digest("hex");
}
