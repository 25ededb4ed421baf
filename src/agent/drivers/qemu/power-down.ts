import type { Clock } from "../../../api/clock.ts";
import type { QemuProcess } from "./qemu-process.ts";

const quitSeconds = 5;

/**
 * Asks a guest that runs to power down, then QEMU to quit, then kills it.
 * @param graceSeconds how long the guest is waited for; 0 for not at all
 */
export async function powerDown(
  process: QemuProcess,
  graceSeconds: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (graceSeconds > 0 && (await process.state()) === "Running") {
    await (await process.monitor()).execute("system_powerdown", {}, signal);
    if (await endsWithin(process, graceSeconds, clock, signal)) return;
  }
  // QEMU's own way out writes what it holds back of the disk.
  const quit = process.monitor().then((monitor) => monitor.execute("quit", {}, signal));
  quit.catch(() => {}); // it may close the monitor before it answers
  if (await endsWithin(process, quitSeconds, clock, signal)) return;
  await process.kill();
}

async function endsWithin(process: QemuProcess, seconds: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const timeUp = clock.sleep(seconds * 1000, AbortSignal.any([signal, over.signal])).then(() => false);
  timeUp.catch(() => {}); // aborted below
  try {
    return await Promise.race([process.ended.then(() => true), timeUp]);
  } finally {
    over.abort();
  }
}
