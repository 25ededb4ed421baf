import { execFile } from "node:child_process";
import { access, chmod, readFile, rename, rm, stat } from "node:fs/promises";
import { promisify } from "node:util";
import type { Clock } from "../../../api/clock.ts";
import type { GuestConfiguration, StateLanding } from "../../protocol/types.ts";
import {
  DriverError,
  type ProcessState,
  type StatePart,
  type StatePartName,
  type StateSink,
  statePartNames,
} from "../driver.ts";
import { makePrivateFolder, removeDurably, syncFolder, writeFileDurably } from "../durable-files.ts";
import { type GuestNetwork, qemuParameters } from "./command-line.ts";
import { dataExtents, totalBytes } from "./extents.ts";
import type { GuestFiles } from "./guest-files.ts";
import type { Image, Images } from "./images.ts";
import { loadDeviceState, saveDeviceState } from "./migration-stream.ts";
import { powerDown } from "./power-down.ts";
import { type ExitCause, QemuProcess } from "./qemu-process.ts";
import { allocateMemory, FilePart, FileSink } from "./state-files.ts";

const run = promisify(execFile);

/** What all guests of one host share. */
export interface QemuHost {
  binary: string;
  imageBinary: string;
  images: Images;
  network: GuestNetwork;
  stateLanding: StateLanding;
  clock: Clock;
}

/** What is expected of a device state before there is one; measured: 0.6 MB. */
const typicalDeviceStateBytes = 640 * 1024;

/** One guest: its files, and its process while there is one. The caller lets one method run at a time. */
export class QemuGuest {
  readonly uid: string;
  readonly #files: GuestFiles;
  readonly #host: QemuHost;
  readonly #onExit: (cause: ExitCause) => void;
  #process: QemuProcess | undefined;
  readonly #endingOnPurpose = new WeakSet<QemuProcess>();
  /** Whether something may have been written into the files of an arriving guest. */
  #sinksTouched = true;

  /** @param onExit called when the process ends without having been told to */
  constructor(uid: string, files: GuestFiles, host: QemuHost, onExit: (cause: ExitCause) => void) {
    this.uid = uid;
    this.#files = files;
    this.#host = host;
    this.#onExit = onExit;
  }

  get files(): GuestFiles {
    return this.#files;
  }

  async state(): Promise<ProcessState> {
    return (await this.#process?.state()) ?? "Absent";
  }

  adopt(process: QemuProcess): void {
    this.#process = process;
    process.ended.then((cause) => {
      if (this.#process === process) this.#process = undefined;
      if (!this.#endingOnPurpose.has(process)) this.#onExit(cause);
    });
  }

  detach(): void {
    this.#process?.detach();
    this.#process = undefined;
  }

  async boot(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    const state = await this.state();
    if (state === "Running") return;
    if (state !== "Absent") throw this.#wrongState("boot", state, "Absent");
    const image = await this.#makeFolders(configuration);
    try {
      await this.#makeOverlay(image, signal);
      await this.#renewMemory(configuration, signal);
      await this.#start(configuration, false, signal);
      const reached = await this.state();
      if (reached !== "Running") throw new DriverError("StartFailed", `${this.uid} is ${reached} instead of Running`);
    } catch (error) {
      await this.end();
      await this.forgetMemory();
      throw error;
    }
  }

  /** Ends it politely where it runs; memory goes. */
  async powerOff(graceSeconds: number, signal: AbortSignal): Promise<void> {
    const process = this.#process;
    if (process) {
      this.#endingOnPurpose.add(process);
      try {
        await powerDown(process, graceSeconds, this.#host.clock, signal);
      } catch (error) {
        this.#endingOnPurpose.delete(process);
        throw error;
      }
    }
    await this.forgetMemory();
  }

  /** Ends the process, if any, at once. */
  async end(): Promise<void> {
    const process = this.#process;
    if (!process) return;
    this.#endingOnPurpose.add(process);
    await process.kill();
  }

  async discard(): Promise<void> {
    await this.end();
    await this.forgetMemory();
    await rm(this.#files.dataFolder, { recursive: true, force: true });
  }

  /** Gives back the space of memory and device state. */
  async forgetMemory(): Promise<void> {
    await rm(this.#files.stateFolder, { recursive: true, force: true });
    await rm(this.#files.runFolder, { recursive: true, force: true });
  }

  /** Memory is of no use any more when its process is gone and no device state goes with it (R10). */
  async forgetUselessMemory(): Promise<void> {
    if (this.#process || (await this.#hasDeviceState())) return;
    await this.forgetMemory();
  }

  async estimateStateBytes(signal: AbortSignal): Promise<number> {
    const { memory, overlay, deviceState } = this.#files;
    const disk = await stat(overlay).catch(() => undefined);
    const overlayBytes = disk ? disk.blocks * 512 : 0;
    const exists = await access(memory).then(
      () => true,
      () => false,
    );
    if (!exists) return overlayBytes;
    // Not st_blocks: the file was allocated as a whole beforehand.
    const memoryBytes = totalBytes(await dataExtents(this.#host.imageBinary, memory, signal));
    const device = await stat(deviceState).catch(() => undefined);
    return memoryBytes + overlayBytes + (device?.size ?? typicalDeviceStateBytes);
  }

  async suspend(signal: AbortSignal): Promise<void> {
    const state = await this.state();
    if (state !== "Running" && state !== "Paused") throw this.#wrongState("suspend", state, "Running");
    if (state === "Paused" && (await this.#hasDeviceState())) return;
    const monitor = await (this.#process as QemuProcess).monitor();
    await saveDeviceState(monitor, this.#files, await this.#configuration(), signal);
  }

  async stateParts(signal: AbortSignal): Promise<StatePart[]> {
    if (!(await this.#hasDeviceState()) || (await this.state()) === "Running") {
      throw new DriverError("WrongState", `${this.uid} has no complete state; suspend it first`);
    }
    const { memory, overlay, deviceState } = this.#files;
    const paths = { memory, disk: overlay, device: deviceState };
    const parts: StatePart[] = [];
    try {
      for (const name of statePartNames) {
        parts.push(await FilePart.open(name, paths[name], this.#host.imageBinary, signal));
      }
      return parts;
    } catch (error) {
      await Promise.all(parts.map((part) => part.close()));
      throw error;
    }
  }

  async prepareIncoming(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    const state = await this.state();
    if (state === "Running") throw this.#wrongState("prepareIncoming", state, "Absent");
    if (state === "Waiting" && !this.#sinksTouched && (await this.#isConfiguredAs(configuration))) return;
    await this.discard();
    const image = await this.#makeFolders(configuration);
    try {
      await this.#renewMemory(configuration, signal);
      // QEMU reads the header when it starts, and all again when it goes on; the arriving overlay is written over this one.
      await this.#makeOverlay(image, signal);
      await this.#start(configuration, true, signal);
      this.#sinksTouched = false;
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  async openSink(part: { name: StatePartName; sizeBytes: number }): Promise<StateSink> {
    const { memoryBytes } = await this.#configuration();
    const { memory, overlay, deviceState } = this.#files;
    const onDisk = this.#host.stateLanding === "Disk";
    this.#sinksTouched = true;
    switch (part.name) {
      case "memory":
        if (part.sizeBytes !== memoryBytes) {
          throw new DriverError(
            "LoadFailed",
            `memory of ${part.sizeBytes} bytes arrives, ${memoryBytes} were announced`,
          );
        }
        return FileSink.open({ ...part, path: memory, keepSpace: true, durable: onDisk });
      case "disk":
        return FileSink.open({ ...part, path: overlay, keepSpace: false, durable: true });
      case "device": {
        const path = `${deviceState}.partial`;
        return FileSink.open({ ...part, path, finalPath: deviceState, keepSpace: false, durable: onDisk });
      }
      default:
        throw new DriverError("InvalidRequest", `part ${part.name}: want one of ${statePartNames.join(", ")}`);
    }
  }

  async load(signal: AbortSignal): Promise<void> {
    const state = await this.state();
    if (state === "Paused" && (await this.#hasDeviceState())) return;
    if (state !== "Waiting" && state !== "Absent") throw this.#wrongState("load", state, "Waiting");
    if (!(await this.#hasDeviceState())) throw new DriverError("LoadFailed", `${this.uid}: no device state is here`);
    const configuration = await this.#configuration();
    // Its process may have been killed while it waited or was paused: the files alone are enough.
    const process = state === "Absent" ? await this.#start(configuration, true, signal) : this.#process;
    if (!process) throw this.#wrongState("load", "Absent", "Waiting");
    // QEMU ends by itself when it cannot load a state; the caller hears that from here.
    this.#endingOnPurpose.add(process);
    try {
      await loadDeviceState(process, this.#files, configuration, signal);
    } catch (error) {
      await process.kill();
      throw error;
    }
    this.#endingOnPurpose.delete(process);
  }

  /** R10: the device state goes first, durably; whatever happens then, it cannot be loaded a second time. */
  async continue(signal: AbortSignal): Promise<void> {
    let state = await this.state();
    if (state === "Running") return;
    if (state === "Absent") {
      if (!(await this.#hasDeviceState())) {
        throw new DriverError(
          "GuestCrashed",
          `${this.uid}: its process is gone, and no state that may still be loaded is here`,
        );
      }
      await this.load(signal);
      state = await this.state();
    }
    if (state !== "Paused") throw this.#wrongState("resume", state, "Paused");
    const monitor = await (this.#process as QemuProcess).monitor();
    signal.throwIfAborted();
    if (await this.#hasDeviceState()) await removeDurably(this.#files.deviceState);
    await monitor.execute("cont", {});
    const reached = await this.state();
    if (reached !== "Running") throw new DriverError("ResumeFailed", `${this.uid} is ${reached} instead of Running`);
  }

  async #makeFolders(configuration: GuestConfiguration): Promise<Image> {
    const image = await this.#host.images.find(configuration.image);
    await makePrivateFolder(this.#files.dataFolder);
    await writeFileDurably(this.#files.configuration, `${JSON.stringify(configuration, null, 2)}\n`);
    return image;
  }

  async #renewMemory(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    await rm(this.#files.stateFolder, { recursive: true, force: true });
    await makePrivateFolder(this.#files.stateFolder);
    await allocateMemory(this.#files.memory, configuration.memoryBytes, signal);
  }

  /** Over the base image, unless there is one already. */
  async #makeOverlay(image: Image, signal: AbortSignal): Promise<void> {
    const { overlay, dataFolder } = this.#files;
    if (
      await access(overlay).then(
        () => true,
        () => false,
      )
    )
      return;
    const parameters = ["create", "-q", "-f", "qcow2", "-F", image.diskFormat, "-b", image.disk, `${overlay}.new`];
    await run(this.#host.imageBinary, parameters, { signal });
    await chmod(`${overlay}.new`, 0o600);
    await rename(`${overlay}.new`, overlay);
    await syncFolder(dataFolder);
  }

  async #start(configuration: GuestConfiguration, incoming: boolean, signal: AbortSignal): Promise<QemuProcess> {
    const image = await this.#host.images.find(configuration.image);
    const { network, binary } = this.#host;
    const parameters = qemuParameters({ configuration, files: this.#files, image, network, incoming });
    const process = await QemuProcess.start(binary, parameters, this.#files, signal);
    this.adopt(process);
    return process;
  }

  #hasDeviceState(): Promise<boolean> {
    return access(this.#files.deviceState).then(
      () => true,
      () => false,
    );
  }

  async #configuration(): Promise<GuestConfiguration> {
    try {
      return JSON.parse(await readFile(this.#files.configuration, "utf8")) as GuestConfiguration;
    } catch (error) {
      throw new DriverError("NotFound", `guest ${this.uid} is not on this host`, { cause: error });
    }
  }

  async #isConfiguredAs(configuration: GuestConfiguration): Promise<boolean> {
    return JSON.stringify(await this.#configuration()) === JSON.stringify(configuration);
  }

  #wrongState(operation: string, state: ProcessState, wanted: ProcessState): DriverError {
    return new DriverError("WrongState", `${operation} of ${this.uid}: its process is ${state}, want ${wanted}`);
  }
}
