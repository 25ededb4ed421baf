import type { LogLevel } from "../runtime/log.ts";
import { UsageError } from "./usage.ts";

/** Resolves when the signal is aborted. Keeps the process alive until then. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    // A listener alone does not keep Node alive.
    const alive = setInterval(() => {}, 2 ** 30);
    const onAbort = () => {
      clearInterval(alive);
      resolve();
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** @throws UsageError when it is no log level */
export function logLevelOf(text: string): LogLevel {
  const levels: LogLevel[] = ["debug", "info", "warn", "error"];
  const level = levels.find((each) => each === text);
  if (!level) throw new UsageError(`--log-level ${JSON.stringify(text)} is none of ${levels.join(", ")}`);
  return level;
}
