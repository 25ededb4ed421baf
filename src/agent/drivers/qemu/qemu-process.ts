import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, rm } from "node:fs/promises";
import { systemClock } from "../../../api/clock.ts";
import { DriverError, type ProcessState } from "../driver.ts";
import { makePrivateFolder } from "../durable-files.ts";
import type { GuestFiles } from "./guest-files.ts";
import { identify, isAlive, killProcess, type ProcessIdentity } from "./process-identity.ts";
import { QmpConnection, QmpError } from "./qmp-connection.ts";

export type ExitCause = "PoweredOff" | "Died";

const pollMilliseconds = 10;
const attachTimeoutMilliseconds = 3_000;
/** A process that closed its monitor is about to end; one that is still there after this long is connected to anew. */
const endingMilliseconds = 5_000;

/** One QEMU, ours or one that outlived an earlier agent, and the connection to its monitor. */
export class QemuProcess {
  readonly identity: ProcessIdentity;
  readonly #files: GuestFiles;
  /** Undefined once the process has ended. */
  #connection: Promise<QmpConnection | undefined>;
  #guestShutDown = false;
  #isDetached = false;
  #announceEnd: (cause: ExitCause) => void = () => {};
  /** Resolves when the process has ended; never after `detach`. */
  readonly ended: Promise<ExitCause>;

  private constructor(identity: ProcessIdentity, files: GuestFiles, connection: QmpConnection) {
    this.identity = identity;
    this.#files = files;
    this.ended = new Promise((resolve) => {
      this.#announceEnd = resolve;
    });
    this.#connection = Promise.resolve(connection);
    this.#watch(connection);
  }

  /**
   * Starts a QEMU in a session of its own, so that it outlives this process and its terminal.
   * @throws DriverError `StartFailed` with what QEMU complained about
   */
  static async start(
    binary: string,
    parameters: string[],
    files: GuestFiles,
    signal: AbortSignal,
  ): Promise<QemuProcess> {
    await makePrivateFolder(files.runFolder);
    for (const path of files.monitors) await rm(path, { force: true });
    for (const path of [files.serialLog]) await (await open(path, "a", 0o600)).close();
    const log = await open(files.log, "w", 0o600);
    let pid: number;
    try {
      const child = spawn(binary, parameters, { detached: true, stdio: ["ignore", log.fd, log.fd] });
      await once(child, "spawn", { signal });
      child.unref();
      pid = child.pid as number;
    } finally {
      await log.close();
    }
    const identity = await identify(pid, files.pidFile);
    try {
      const connection = await connectOnceUp(identity, files, signal);
      return new QemuProcess(identity as ProcessIdentity, files, connection);
    } catch (error) {
      if (identity) await killProcess(identity);
      throw error;
    }
  }

  /**
   * Connects to a QEMU that is already there.
   * @throws DriverError `Internal` when neither of its monitors answers
   */
  static async attach(identity: ProcessIdentity, files: GuestFiles, signal: AbortSignal): Promise<QemuProcess> {
    return new QemuProcess(identity, files, await connectToEither(identity, files, signal));
  }

  /** @throws QmpError when the process has ended */
  async monitor(): Promise<QmpConnection> {
    const connection = await this.#connection;
    if (!connection) throw new QmpError("the QEMU process has ended");
    return connection;
  }

  async state(): Promise<ProcessState> {
    for (;;) {
      const connection = await this.#connection;
      if (!connection) return "Absent";
      try {
        const { status } = await connection.execute<{ status: string }>("query-status", {});
        return processStateOf(status);
      } catch (error) {
        // Closed meanwhile: by now another connection, or the end, is on its way.
        if (!connection.isClosed) throw error;
      }
    }
  }

  /** Ends the process at once and waits until it is gone. */
  async kill(): Promise<void> {
    await killProcess(this.identity);
    await this.ended;
  }

  /** The last lines that QEMU itself wrote, for error messages. */
  complaint(): Promise<string> {
    return lastLines(this.#files.log);
  }

  /** Leaves the process alone from now on. */
  detach(): void {
    this.#isDetached = true;
    this.#connection.then((connection) => connection?.close());
  }

  #watch(connection: QmpConnection): void {
    connection.onEvent(({ event, data }) => {
      if (event === "SHUTDOWN" && data?.reason === "guest-shutdown") this.#guestShutDown = true;
    });
    connection.closed.then(() => {
      if (!this.#isDetached) this.#connection = this.#reconnectOrEnd();
    });
  }

  async #reconnectOrEnd(): Promise<QmpConnection | undefined> {
    const patience = Date.now() + endingMilliseconds;
    while (await isAlive(this.identity)) {
      if (this.#isDetached) return undefined;
      await systemClock.sleep(pollMilliseconds);
      if (Date.now() < patience) continue;
      const connection = await connectToEither(this.identity, this.#files, new AbortController().signal).catch(
        () => undefined,
      );
      if (!connection) continue;
      this.#watch(connection);
      return connection;
    }
    this.#announceEnd(this.#guestShutDown ? "PoweredOff" : "Died");
    return undefined;
  }
}

/** @param status QEMU's own run state */
export function processStateOf(status: string): ProcessState {
  if (status === "running") return "Running";
  return status === "inmigrate" ? "Waiting" : "Paused";
}

async function connectOnceUp(
  identity: ProcessIdentity | undefined,
  files: GuestFiles,
  signal: AbortSignal,
): Promise<QmpConnection> {
  for (;;) {
    if (!identity || !(await isAlive(identity))) {
      throw new DriverError("StartFailed", `QEMU ended at once: ${await lastLines(files.log)}`);
    }
    try {
      return await QmpConnection.open(files.monitors[0], signal);
    } catch (error) {
      const notYet = ["ENOENT", "ECONNREFUSED"].includes((error as NodeJS.ErrnoException).code ?? "");
      if (!notYet && !(error instanceof QmpError)) throw error;
    }
    await systemClock.sleep(pollMilliseconds, signal);
  }
}

/** An agent that was killed may still look connected to one monitor for a moment. */
async function connectToEither(
  identity: ProcessIdentity,
  files: GuestFiles,
  signal: AbortSignal,
): Promise<QmpConnection> {
  for (const path of files.monitors) {
    const timeout = AbortSignal.timeout(attachTimeoutMilliseconds);
    try {
      return await QmpConnection.open(path, AbortSignal.any([signal, timeout]));
    } catch {
      signal.throwIfAborted();
    }
  }
  throw new DriverError("Internal", `QEMU with pid ${identity.pid} answers on neither ${files.monitors.join(" nor ")}`);
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim().split("\n").slice(-4).join("; ") || "it said nothing";
}
