import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const fetchScript = new URL("./fetch", import.meta.url).pathname;

/** Path of a kubectl of our own in the cache, fetched when it is not there yet. */
export async function ensureKubectl(version: "1.20" | "1.32" = "1.32"): Promise<string> {
  const { stdout } = await promisify(execFile)(fetchScript);
  return join(stdout.trim(), `kubectl-${version}`);
}
