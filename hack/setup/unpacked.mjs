// Debian packages that are unpacked into the cache and never installed, because installing them would change the
// user's system: a kernel would touch the boot loader, openssh-server would start a daemon on port 22, and
// busybox-static would replace the user's busybox.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { directDependencies, download, output, withFreshLists, wouldInstall } from "./apt.mjs";
import { cacheFolder, withLock } from "./cache.mjs";

/** Which packages are unpacked together, where it is not just the one that was asked for. */
const contents = {
  // Only a name for the newest kernel, which is its one dependency.
  "linux-image-cloud-amd64": directDependencies,
  // With every library that this system does not have. The C library and the program loader must be a pair.
  "openssh-server": async (name) => (await wouldInstall([name])).filter((each) => !/^libc(-bin|6)$/.test(each)),
};

const workPrefix = ".unpacking-";

/** Lies beside the unpacked files; its presence says that they are complete. */
const stamp = ".complete";

/**
 * Makes sure that a Debian package lies unpacked in the cache. What is there is used as it is, without a look at apt;
 * `linux-image-cloud-amd64` gives the kernel package it stands for, `openssh-server` brings the libraries it lacks.
 *
 * @param {string} packageName
 * @returns {Promise<string>} the folder that holds the package's files under the paths they would be installed to, e.g.
 *   `<folder>/boot/vmlinuz-…`
 * @throws {Error} when apt does not know the package or cannot fetch it
 */
export async function ensureUnpacked(packageName) {
  const parent = join(cacheFolder(), "packages");
  const folder = join(parent, packageName);
  if (isUnpacked(packageName)) return folder;
  return withLock(join(parent, ".lock"), async () => {
    if (isUnpacked(packageName)) return folder;
    removeLeftovers(parent);
    const work = mkdtempSync(join(parent, workPrefix));
    try {
      await withFreshLists(() => downloadAndUnpack(packageName, work));
      rmSync(folder, { recursive: true, force: true });
      renameSync(join(work, "root"), folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
    return folder;
  });
}

/**
 * @param {string} packageName
 * @returns {boolean} whether `ensureUnpacked` has nothing to do
 */
export function isUnpacked(packageName) {
  return existsSync(join(cacheFolder(), "packages", packageName, stamp));
}

/** Work folders of set-ups that were killed; the caller holds the lock, so nobody uses them. */
function removeLeftovers(parent) {
  for (const name of readdirSync(parent)) {
    if (name.startsWith(workPrefix)) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

async function downloadAndUnpack(packageName, work) {
  const archives = join(work, "archives");
  const root = join(work, "root");
  for (const folder of [archives, root]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
  }
  const packageNames = await (contents[packageName]?.(packageName) ?? [packageName]);
  if (packageNames.length === 0) throw new Error(`apt knows nothing to unpack for ${packageName}`);
  await download(packageNames, archives);
  const files = readdirSync(archives).sort();
  for (const file of files) await output("dpkg-deb", ["-x", join(archives, file), root]);
  writeFileSync(join(root, stamp), `${files.join("\n")}\n`);
}
