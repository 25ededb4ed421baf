// Makes this machine ready for `npm test` or `npm run demo`:
//
//   node hack/setup.mjs [--need test] [--need demo] [--need demo-simulated] [--need kube-apiserver]
//
// Fetches the npm packages, installs the few missing Debian packages (none of them starts anything), and unpacks others
// into the cache without installing them. Does nothing, in well under a second, where all is there; two at once are safe.
// Plain JavaScript with built-ins only, because it runs before node_modules exist, on any Node from 18 on.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cacheFolder } from "./setup/cache.mjs";
import { ensureNpmPackages } from "./setup/npm-packages.mjs";
import { ensureInstalled } from "./setup/system-packages.mjs";
import { ensureUnpacked, isUnpacked } from "./setup/unpacked.mjs";

const projectFolder = dirname(dirname(fileURLToPath(import.meta.url)));

const kubeApiServer = "hack/kube-apiserver/build.sh";
const realGuests = {
  commands: { "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", cpio: "cpio", zstd: "zstd" },
  unpacked: ["linux-image-cloud-amd64", "busybox-static"],
};

/** What each purpose needs besides the npm packages: commands with the Debian packages that have them, and files. */
const needs = {
  test: { commands: realGuests.commands, unpacked: realGuests.unpacked, sshd: true, build: kubeApiServer },
  demo: { commands: realGuests.commands, unpacked: realGuests.unpacked, sshd: true },
  "demo-simulated": { commands: {}, unpacked: [], sshd: true },
  "kube-apiserver": { commands: {}, unpacked: [], build: kubeApiServer },
};

async function main() {
  const start = performance.now();
  const names = parseArgs({ options: { need: { type: "string", multiple: true, default: [] } } }).values.need;
  const unknown = names.filter((name) => !Object.hasOwn(needs, name));
  if (unknown.length > 0) {
    throw new Error(`--need ${unknown.join(", ")}: not known; give one of ${Object.keys(needs).join(", ")}`);
  }
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 18) throw new Error(`Node ${process.versions.node} is too old to fetch the rest with; use 18 or newer`);

  const changed = [];
  if (await ensureNpmPackages(projectFolder)) changed.push("npm packages");
  for (const name of names) changed.push(...(await meet(needs[name])));

  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const what = changed.length > 0 ? changed.join(", ") : "all was there";
  say(`ready after ${seconds} s (${what})`);
}

/** Gives back what was done, for the closing line. */
async function meet(need) {
  const done = await ensureInstalled(need.commands);
  const packages = [...need.unpacked];
  // hack/testbed/sshd.ts says what for.
  if (need.sshd && !existsSync("/usr/sbin/sshd")) packages.push("openssh-server");
  if (need.sshd && process.getuid?.() === 0) packages.push("libnss-wrapper");
  for (const name of packages.filter((each) => !isUnpacked(each))) {
    await ensureUnpacked(name);
    done.push(`${name} unpacked`);
  }
  if (need.build) execFileSync(join(projectFolder, need.build), { stdio: ["ignore", "ignore", "inherit"] });
  return done;
}

function say(text) {
  process.stderr.write(`set-up: ${text}\n`);
}

main().catch((error) => {
  say(`failed: ${error.message}`);
  say(`(what was fetched so far is kept in ${cacheFolder()}; running this again continues)`);
  process.exitCode = 1;
});
