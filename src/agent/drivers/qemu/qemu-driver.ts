import { open, statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { type Clock, systemClock } from "../../../api/clock.ts";
import { KeyedLock } from "../../keyed-lock.ts";
import type { DriverName, GuestConfiguration, HostCapacity } from "../../protocol/types.ts";
import {
  type Driver,
  type DriverDescription,
  DriverError,
  type ProcessState,
  type StatePart,
  type StatePartName,
  type StateSink,
} from "../driver.ts";
import { makePrivateFolder, syncFolder } from "../durable-files.ts";
import { type GuestNetwork, guestDevices, macAddressOf } from "./command-line.ts";
import { checkRunDirectory, guestFiles, type QemuFolders } from "./guest-files.ts";
import { chooseMachineType, examineHost, type HostSoftware } from "./host-software.ts";
import { Images } from "./images.ts";
import { findProcesses } from "./process-identity.ts";
import { QemuGuest, type QemuHost } from "./qemu-guest.ts";
import { type ExitCause, QemuProcess } from "./qemu-process.ts";
import { claimFolder, stateLandingOf } from "./state-files.ts";

export interface QemuDriverOptions extends QemuFolders {
  /** Holds `<name>/{disk.raw or disk.qcow2, vmlinuz, initrd, cmdline}`; without a vmlinuz the disk itself is booted. */
  imagesDirectory: string;
  /** `auto` (default) takes KVM only when a guest was seen to run with it. */
  accelerator?: "auto" | "kvm" | "tcg";
  /** A CPU model by name, because `host` is something else on every machine. Default qemu64, kvm64 with KVM. */
  cpuModel?: string;
  /** Versioned, such as pc-q35-7.2 (default, or the newest that this QEMU has). */
  machineType?: string;
  /** What guests may use; default all of the machine. */
  capacity?: { cpus?: number; memoryBytes?: number };
  /** Default `isolated`. */
  network?: GuestNetwork;
  qemuBinary?: string;
  qemuImageBinary?: string;
  clock?: Clock;
}

const unversionedCpuModels = ["host", "max", "base"];

/** Runs guests as QEMU processes whose memory is a file that source and target agree on. */
export class QemuDriver implements Driver {
  readonly name: DriverName = "QEMU";
  readonly #options: QemuDriverOptions;
  readonly #images: Images;
  readonly #binary: string;
  readonly #guests = new Map<string, QemuGuest>();
  readonly #lock = new KeyedLock();
  readonly #exitListeners: ((uid: string, cause: ExitCause) => void)[] = [];
  #software: Promise<HostSoftware> | undefined;
  #host: Promise<QemuHost> | undefined;

  /** @throws Error when an option makes no sense, naming it */
  constructor(options: QemuDriverOptions) {
    // The paths are in the command lines of guests that outlive this process and its working folder.
    this.#options = {
      ...options,
      dataDirectory: resolve(options.dataDirectory),
      stateDirectory: resolve(options.stateDirectory),
      runDirectory: resolve(options.runDirectory),
      imagesDirectory: resolve(options.imagesDirectory),
    };
    checkRunDirectory(this.#options.runDirectory);
    if (options.cpuModel && unversionedCpuModels.includes(options.cpuModel.split(",")[0] ?? "")) {
      throw new Error(`cpuModel ${options.cpuModel} is another on every machine; name one, such as qemu64`);
    }
    const { imagesDirectory, dataDirectory } = this.#options;
    this.#images = new Images(imagesDirectory, join(dataDirectory, "image-checksums.json"));
    this.#binary = options.qemuBinary ?? "qemu-system-x86_64";
  }

  async describe(signal: AbortSignal): Promise<DriverDescription> {
    const [software, host] = [await this.#examine(signal), await this.#openHost()];
    return {
      accelerator: software.accelerator,
      cpuModel: this.#cpuModel(software),
      machineType: this.#machineType(software),
      stateLanding: host.stateLanding,
      capacity: await this.#capacity(host),
      images: await this.#images.list(signal),
    };
  }

  async configure(
    wanted: Pick<GuestConfiguration, "uid" | "namespace" | "name" | "cpus" | "memoryBytes" | "image">,
    signal: AbortSignal,
  ): Promise<GuestConfiguration> {
    await this.#openHost();
    const software = await this.#examine(signal);
    const { uid, namespace, name, cpus, memoryBytes, image } = wanted;
    guestFiles(this.#options, uid);
    return {
      ...{ uid, namespace, name, cpus, memoryBytes, image },
      imageSha256: await this.#images.checksum(image, signal),
      driver: "QEMU",
      accelerator: software.accelerator,
      machineType: this.#machineType(software),
      cpuModel: this.#cpuModel(software),
      devices: [...guestDevices],
      macAddress: macAddressOf(uid),
    };
  }

  async checkCompatible(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    await this.#openHost();
    const software = await this.#examine(signal);
    const { driver, accelerator, machineType, cpuModel, devices, image, imageSha256 } = configuration;
    const incompatible = (message: string) => new DriverError("Incompatible", message);
    if (driver !== "QEMU") throw incompatible(`driver ${driver}, this host has QEMU`);
    if (accelerator !== software.accelerator) {
      throw incompatible(`accelerator ${accelerator}, this host has ${software.accelerator}`);
    }
    if (!software.machineTypes.includes(machineType))
      throw incompatible(`this host's QEMU has no machine ${machineType}`);
    if (!software.cpuModels.includes(cpuModel.split(",")[0] ?? "")) {
      throw incompatible(`this host's QEMU has no CPU model ${cpuModel}`);
    }
    if (String(devices) !== String(guestDevices)) {
      throw incompatible(`devices ${devices.join(", ")}, this host gives ${guestDevices.join(", ")}`);
    }
    const checksum = await this.#images.checksum(image, signal);
    if (checksum !== imageSha256) {
      throw incompatible(`image ${image} has SHA-256 ${checksum} here, want ${imageSha256}`);
    }
  }

  async recover(uids: string[], signal: AbortSignal): Promise<Map<string, ProcessState>> {
    await this.#openHost();
    const pidFiles = new Map(uids.map((uid) => [guestFiles(this.#options, uid).pidFile, uid]));
    const processes = await findProcesses([...pidFiles.keys()]);
    const states = new Map<string, ProcessState>();
    for (const [pidFile, uid] of pidFiles) {
      const guest = await this.#guest(uid);
      const identity = processes.get(pidFile);
      if (identity && (await guest.state()) === "Absent") {
        guest.adopt(await QemuProcess.attach(identity, guest.files, signal));
      }
      if (!identity) await guest.forgetUselessMemory();
      states.set(uid, await guest.state());
    }
    return states;
  }

  async processState(uid: string): Promise<ProcessState> {
    return (await this.#guests.get(uid)?.state()) ?? "Absent";
  }

  onExit(listener: (uid: string, cause: ExitCause) => void): void {
    this.#exitListeners.push(listener);
  }

  async boot(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    await this.checkCompatible(configuration, signal);
    return this.#exclusively(configuration.uid, "StartFailed", signal, (guest) => guest.boot(configuration, signal));
  }

  powerOff(uid: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    return this.#exclusively(uid, "Internal", signal, (guest) => guest.powerOff(graceSeconds, signal));
  }

  discard(uid: string, signal: AbortSignal): Promise<void> {
    return this.#exclusively(uid, "Internal", signal, async (guest) => {
      await guest.discard();
      await syncFolder(join(this.#options.dataDirectory, "guests"));
      this.#guests.delete(uid);
    });
  }

  async console(uid: string, bytes: number): Promise<string> {
    const file = await open(guestFiles(this.#options, uid).serialLog, "r").catch(() => undefined);
    if (!file) return "";
    try {
      const { size } = await file.stat();
      const length = Math.min(size, Math.max(0, bytes));
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await file.close();
    }
  }

  async estimateStateBytes(uid: string, signal: AbortSignal): Promise<number> {
    return (await this.#guest(uid)).estimateStateBytes(signal);
  }

  suspend(uid: string, signal: AbortSignal): Promise<void> {
    return this.#exclusively(uid, "SuspendFailed", signal, (guest) => guest.suspend(signal));
  }

  stateParts(uid: string, signal: AbortSignal): Promise<StatePart[]> {
    return this.#exclusively(uid, "CopyFailed", signal, (guest) => guest.stateParts(signal));
  }

  unsuspend(uid: string, signal: AbortSignal): Promise<void> {
    return this.resume(uid, signal);
  }

  async prepareIncoming(configuration: GuestConfiguration, _stateBytes: number, signal: AbortSignal): Promise<void> {
    const { uid } = configuration;
    return this.#exclusively(uid, "StartFailed", signal, (guest) => guest.prepareIncoming(configuration, signal));
  }

  openSink(uid: string, part: { name: StatePartName; sizeBytes: number }, signal: AbortSignal): Promise<StateSink> {
    return this.#exclusively(uid, "CopyFailed", signal, (guest) => guest.openSink(part));
  }

  load(uid: string, signal: AbortSignal): Promise<void> {
    return this.#exclusively(uid, "LoadFailed", signal, (guest) => guest.load(signal));
  }

  resume(uid: string, signal: AbortSignal): Promise<void> {
    return this.#exclusively(uid, "ResumeFailed", signal, (guest) => guest.continue(signal));
  }

  async close(): Promise<void> {
    for (const guest of this.#guests.values()) guest.detach();
    this.#guests.clear();
  }

  /** One operation of a guest at a time; what goes wrong becomes a DriverError. */
  #exclusively<T>(
    uid: string,
    reason: string,
    signal: AbortSignal,
    action: (guest: QemuGuest) => Promise<T>,
  ): Promise<T> {
    return this.#lock.run(uid, async () => {
      signal.throwIfAborted();
      try {
        return await action(await this.#guest(uid));
      } catch (error) {
        if (error instanceof DriverError) throw error;
        signal.throwIfAborted();
        throw new DriverError(reason, `${uid}: ${(error as Error).message}`, { cause: error });
      }
    });
  }

  async #guest(uid: string): Promise<QemuGuest> {
    const host = await this.#openHost();
    const known = this.#guests.get(uid);
    if (known) return known;
    const guest = new QemuGuest(uid, guestFiles(this.#options, uid), host, (cause) => this.#exited(guest, cause));
    this.#guests.set(uid, guest);
    return guest;
  }

  #exited(guest: QemuGuest, cause: ExitCause): void {
    const cleaned = this.#lock.run(guest.uid, () => guest.forgetUselessMemory());
    cleaned.catch(() => {}); // tried again when the guest is next booted, discarded or recovered
    for (const listener of this.#exitListeners) listener(guest.uid, cause);
  }

  #openHost(): Promise<QemuHost> {
    this.#host ??= this.#makeHost();
    this.#host.catch(() => {
      this.#host = undefined;
    });
    return this.#host;
  }

  async #makeHost(): Promise<QemuHost> {
    const { dataDirectory, stateDirectory, runDirectory } = this.#options;
    for (const folder of [join(dataDirectory, "guests"), stateDirectory, runDirectory]) await makePrivateFolder(folder);
    for (const folder of [stateDirectory, runDirectory]) await claimFolder(folder, dataDirectory);
    return {
      binary: this.#binary,
      imageBinary: this.#options.qemuImageBinary ?? "qemu-img",
      images: this.#images,
      network: this.#options.network ?? "isolated",
      stateLanding: await stateLandingOf(stateDirectory),
      clock: this.#options.clock ?? systemClock,
    };
  }

  #examine(signal: AbortSignal): Promise<HostSoftware> {
    const accelerator = this.#options.accelerator ?? "auto";
    this.#software ??= this.#images
      .anyKernel()
      .then((kernel) => examineHost(this.#binary, accelerator, kernel, signal));
    this.#software.catch(() => {
      this.#software = undefined;
    });
    return this.#software;
  }

  #cpuModel(software: HostSoftware): string {
    return this.#options.cpuModel ?? (software.accelerator === "kvm" ? "kvm64" : "qemu64");
  }

  #machineType(software: HostSoftware): string {
    return this.#options.machineType ?? chooseMachineType(software.machineTypes);
  }

  async #capacity(host: QemuHost): Promise<HostCapacity> {
    const { blocks, bavail, bsize } = await statfs(this.#options.stateDirectory);
    const stateBytes = blocks * bsize;
    const usable = host.stateLanding === "RAM" ? Math.min(stateBytes, totalmem()) : totalmem();
    return {
      cpus: this.#options.capacity?.cpus ?? availableParallelism(),
      memoryBytes: this.#options.capacity?.memoryBytes ?? usable,
      stateBytes,
      stateFreeBytes: bavail * bsize,
    };
  }
}
