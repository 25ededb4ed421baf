// Where set-up keeps what it fetched, and the locks that let two set-ups run at once.
// Plain JavaScript with built-ins only: it runs before node_modules exists, on any Node from 18 on.

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/**
 * The folder for everything that set-up fetches or builds: `${XDG_CACHE_HOME:-~/.cache}/vacate`.
 *
 * @returns {string}
 */
export function cacheFolder() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "vacate");
}

/**
 * Runs `action` while holding an exclusive lock on `lockPath`, and waits for the lock as long as it takes. Node has no
 * flock(2), so `flock` (util-linux, essential on Debian) holds it for as long as its standard input stays open: when
 * this process dies in whatever way, the lock is free.
 *
 * @template T
 * @param {string} lockPath
 * @param {() => T | Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withLock(lockPath, action) {
  mkdirSync(dirname(lockPath), { recursive: true });
  const holder = spawn("flock", [lockPath, "sh", "-c", "echo locked; exec cat >/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const released = new Promise((resolve) => holder.once("close", resolve));
  await new Promise((resolve, reject) => {
    holder.once("error", (error) => reject(new Error(`cannot lock ${lockPath}: ${error.message}`)));
    holder.once("exit", (code) => reject(new Error(`cannot lock ${lockPath}: flock exited with ${code}`)));
    holder.stdout.once("data", resolve);
  });
  try {
    return await action();
  } finally {
    holder.stdin.end();
    await released;
  }
}
