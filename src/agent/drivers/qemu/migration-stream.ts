import type { GuestConfiguration } from "../../protocol/types.ts";
import { DriverError } from "../driver.ts";
import { removeDurably } from "../durable-files.ts";
import { hardwareDifference } from "../guest-hardware.ts";
import { DeviceStateFile, DeviceStateReceiver } from "./device-state.ts";
import type { GuestFiles } from "./guest-files.ts";
import type { QemuProcess } from "./qemu-process.ts";
import type { QmpConnection, QmpEvent } from "./qmp-connection.ts";

/**
 * Stops the guest and writes its device state; its memory is complete in its file then. On any failure the guest runs on
 * and no device state is left.
 * @throws DriverError `SuspendFailed`; the signal's reason when aborted
 */
export async function saveDeviceState(
  monitor: QmpConnection,
  files: GuestFiles,
  configuration: GuestConfiguration,
  signal: AbortSignal,
): Promise<void> {
  const receiver = new DeviceStateReceiver(files.deviceState, files.streamSocket);
  try {
    await receiver.listen();
    await stopCleanly(monitor, signal);
    await setCapabilities(monitor, ["events", "x-ignore-shared"], signal);
    await whenMigrated(monitor, signal, async (ended) => {
      const received = receiver.receive(configuration, AbortSignal.any([signal, ended]));
      await Promise.all([monitor.execute("migrate", { uri: `unix:${files.streamSocket}` }, signal), received]);
    });
    await receiver.complete();
  } catch (error) {
    await removeDurably(files.deviceState);
    await monitor.execute("migrate_cancel", {}).catch(() => {});
    await monitor.execute("cont", {}).catch(() => {});
    signal.throwIfAborted();
    throw asFailure("SuspendFailed", error, (error as Error).message);
  } finally {
    await receiver.close();
  }
}

/**
 * Lets a waiting QEMU load the device state; it stays paused.
 * @throws DriverError `LoadFailed` with what is wrong; the signal's reason when aborted
 */
export async function loadDeviceState(
  process: QemuProcess,
  files: GuestFiles,
  configuration: GuestConfiguration,
  signal: AbortSignal,
): Promise<void> {
  let file: DeviceStateFile | undefined;
  try {
    file = await DeviceStateFile.open(files.deviceState);
    const state = file;
    const difference = hardwareDifference(state.configuration, configuration);
    if (difference) throw new DriverError("LoadFailed", difference);
    const monitor = await process.monitor();
    // late-block-activate: the disk is opened for good, and read anew, only when the guest goes on.
    await setCapabilities(monitor, ["events", "x-ignore-shared", "late-block-activate"], signal);
    await whenMigrated(monitor, signal, async (ended) => {
      await monitor.execute("migrate-incoming", { uri: `unix:${files.streamSocket}` }, signal);
      await state.sendTo(files.streamSocket, AbortSignal.any([signal, ended]));
    });
  } catch (error) {
    signal.throwIfAborted();
    const words = (error as Error).message;
    throw asFailure("LoadFailed", error, `${await process.complaint()} (${words})`);
  } finally {
    await file?.close();
  }
}

/** A guest that was suspended and whose device state is gone again cannot be migrated a second time before it ran. */
async function stopCleanly(monitor: QmpConnection, signal: AbortSignal): Promise<void> {
  const { status } = await monitor.execute<{ status: string }>("query-status", {}, signal);
  if (status === "postmigrate" || status === "finish-migrate") await monitor.execute("cont", {}, signal);
  await monitor.execute("stop", {}, signal);
}

async function setCapabilities(monitor: QmpConnection, names: string[], signal: AbortSignal): Promise<void> {
  const capabilities = names.map((capability) => ({ capability, state: true }));
  await monitor.execute("migrate-set-capabilities", { capabilities }, signal);
}

/**
 * Runs an action during which QEMU migrates, and waits for the migration's end.
 * @param action given a signal that is aborted when the migration has failed
 */
async function whenMigrated(
  monitor: QmpConnection,
  signal: AbortSignal,
  action: (ended: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const finished = monitor.waitForEvent(isEndOfMigration, signal).then(async ({ data }) => {
    if (data?.status === "completed") return;
    const info = await monitor.execute<{ "error-desc"?: string }>("query-migrate", {}, signal);
    throw new Error(`the migration ${String(data?.status)}: ${info["error-desc"] ?? "QEMU gives no reason"}`);
  });
  finished.catch((error) => failed.abort(error));
  await Promise.all([finished, action(failed.signal)]);
}

function isEndOfMigration({ event, data }: QmpEvent): boolean {
  return event === "MIGRATION" && ["completed", "failed", "cancelled"].includes(String(data?.status));
}

function asFailure(reason: string, error: unknown, message: string): DriverError {
  return error instanceof DriverError ? error : new DriverError(reason, message, { cause: error });
}
