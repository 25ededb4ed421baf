import { createHash } from "node:crypto";
import type { Clock } from "../../../api/clock.ts";
import { KeyedLock } from "../../keyed-lock.ts";
import type { DriverName, GuestConfiguration, HostCapacity, StateLanding } from "../../protocol/types.ts";
import {
  type Driver,
  type DriverDescription,
  DriverError,
  type ProcessState,
  type StatePart,
  type StatePartName,
  type StateSink,
} from "../driver.ts";
import { hardwareDifference } from "../guest-hardware.ts";
import { macAddressOf } from "../qemu/command-line.ts";
import { Failures, type SimulatedFailure, type SimulatedOperation } from "./failures.ts";
import { type GuestProgress, GuestStore, type SimulatedGuest } from "./guest-store.ts";
import {
  defaultOverheads,
  type Noise,
  NoiseSource,
  type Overheads,
  type PhaseCost,
  phaseSeconds,
} from "./overheads.ts";
import { layoutBytes, partLayouts, payloadChecksum } from "./payload.ts";
import { consoleAt, progressAt, stopped } from "./simulated-console.ts";
import { ContentSink, CopyPacer, PayloadSink, SimulatedPart } from "./simulated-parts.ts";

export interface SimulatedDriverOptions {
  /** Guests are kept in a file there. */
  dataDirectory: string;
  /** The phases' time passes on it; a faster one lets a day pass in minutes. */
  clock: Clock;
  /** Default: near what QEMU shows at 1 Gbit/s. */
  overheads?: Overheads;
  noise?: Noise;
  failures?: SimulatedFailure[];
  /** Default 8 CPUs, 64 GB of memory and as much room for state. */
  capacity?: { cpus?: number; memoryBytes?: number; stateBytes?: number };
  stateLanding?: StateLanding;
  /** Names of the base images that are said to be here. Default `counter` and `busy`. */
  images?: string[];
}

/** What travels as the device state. */
interface SimulatedDeviceState {
  configuration: GuestConfiguration;
  progress: GuestProgress;
}

const simulatedHardware = { accelerator: "simulated", cpuModel: "simulated", machineType: "simulated-1" };
const powerOffMilliseconds = 1000;

/** Runs nothing, and behaves as if: phases take the time that a given model says. */
export class SimulatedDriver implements Driver {
  readonly name: DriverName = "Simulated";
  readonly #options: SimulatedDriverOptions;
  readonly #clock: Clock;
  readonly #overheads: Overheads;
  readonly #noise: NoiseSource;
  readonly #store: GuestStore;
  readonly #failures: Failures;
  readonly #lock = new KeyedLock();
  readonly #exitListeners: ((uid: string, cause: "PoweredOff" | "Died") => void)[] = [];

  constructor(options: SimulatedDriverOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#overheads = options.overheads ?? defaultOverheads;
    this.#noise = new NoiseSource(options.noise);
    this.#store = new GuestStore(options.dataDirectory);
    this.#failures = new Failures(options.failures ?? []);
  }

  async describe(): Promise<DriverDescription> {
    return {
      ...simulatedHardware,
      stateLanding: this.#options.stateLanding ?? "RAM",
      capacity: await this.#capacity(),
      images: this.#images.map((name) => ({ name, sha256: imageChecksum(name) })),
    };
  }

  async configure(
    wanted: Pick<GuestConfiguration, "uid" | "namespace" | "name" | "cpus" | "memoryBytes" | "image">,
  ): Promise<GuestConfiguration> {
    const { uid, namespace, name, cpus, memoryBytes, image } = wanted;
    this.#requireImage(image);
    return {
      ...{ uid, namespace, name, cpus, memoryBytes, image },
      imageSha256: imageChecksum(image),
      driver: "Simulated",
      ...simulatedHardware,
      devices: ["simulated-disk"],
      macAddress: macAddressOf(uid),
    };
  }

  async checkCompatible(configuration: GuestConfiguration): Promise<void> {
    const here = { ...(await this.configure(configuration)), macAddress: configuration.macAddress };
    const difference = hardwareDifference(configuration, here);
    if (difference) throw new DriverError("Incompatible", difference);
  }

  async recover(uids: string[]): Promise<Map<string, ProcessState>> {
    const states = new Map<string, ProcessState>();
    for (const uid of uids) {
      const guest = await this.#store.get(uid);
      // An accelerated clock starts anew with the agent, behind where it was.
      if (guest?.countingSince !== undefined && guest.countingSince > this.#now()) {
        await this.#store.put(uid, { ...guest, countingSince: this.#now() });
      }
      states.set(uid, guest?.process ?? "Absent");
    }
    return states;
  }

  async processState(uid: string): Promise<ProcessState> {
    return (await this.#store.get(uid))?.process ?? "Absent";
  }

  onExit(listener: (uid: string, cause: "PoweredOff" | "Died") => void): void {
    this.#exitListeners.push(listener);
  }

  /** As if somebody had killed the guest's process. */
  killProcess(uid: string): Promise<void> {
    return this.#lock.run(uid, async () => {
      const guest = await this.#store.get(uid);
      if (!guest || guest.process === "Absent") return;
      await this.#store.put(uid, ended(stopped(guest, this.#now())));
      for (const listener of this.#exitListeners) listener(uid, "Died");
    });
  }

  boot(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    const { uid } = configuration;
    return this.#exclusively("boot", uid, signal, async (known) => {
      if (known?.process === "Running") return;
      if (known && known.process !== "Absent") throw wrongState("boot", known, "Absent");
      await this.checkCompatible(configuration);
      await this.#checkRoom(configuration);
      const boots = (known?.boots ?? 0) + 1;
      const boot = createHash("sha256").update(`boot ${boots} of ${uid}`).digest("hex").slice(0, 8);
      await this.#store.put(uid, {
        configuration,
        process: "Running",
        progress: { boot, counter: 0, diskRecord: known?.progress.diskRecord ?? 0 },
        countingSince: this.#now(),
        boots,
        console: `${known?.console ?? ""}guest boot ${boot}\n`,
        hasMemory: true,
      });
    });
  }

  powerOff(uid: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    return this.#lock.run(uid, async () => {
      const guest = await this.#store.get(uid);
      if (!guest || guest.process === "Absent") return;
      const isAsked = guest.process === "Running" && graceSeconds > 0;
      if (isAsked) await this.#clock.sleep(powerOffMilliseconds, signal);
      const { deviceState: _, ...off } = ended(stopped(guest, this.#now()));
      const lastWords = isAsked ? "guest powers down\n" : "";
      await this.#store.put(uid, { ...off, hasMemory: false, console: off.console + lastWords });
    });
  }

  discard(uid: string, _signal?: AbortSignal): Promise<void> {
    return this.#lock.run(uid, async () => {
      if (await this.#store.get(uid)) await this.#store.put(uid, undefined);
    });
  }

  async console(uid: string, bytes: number): Promise<string> {
    const guest = await this.#store.get(uid);
    return guest ? consoleAt(guest, this.#now(), bytes) : "";
  }

  async estimateStateBytes(uid: string): Promise<number> {
    const guest = await this.#require(uid);
    return layoutBytes(guest.configuration) + deviceStateOf(guest, this.#now()).length;
  }

  suspend(uid: string, signal: AbortSignal): Promise<void> {
    return this.#exclusively("suspend", uid, signal, async (guest) => {
      if (guest?.process === "Paused" && guest.deviceState !== undefined) return;
      if (guest?.process !== "Running" && guest?.process !== "Paused") throw wrongState("suspend", guest, "Running");
      const paused: SimulatedGuest = { ...stopped(guest, this.#now()), process: "Paused" };
      await this.#store.put(uid, paused);
      try {
        await this.#pass(this.#overheads.suspend, layoutBytes(guest.configuration), signal);
      } catch (error) {
        await this.#store.put(uid, { ...paused, process: "Running", countingSince: this.#now() });
        throw error;
      }
      await this.#store.put(uid, { ...paused, deviceState: deviceStateOf(paused, this.#now()).toString("utf8") });
    });
  }

  stateParts(uid: string, signal: AbortSignal): Promise<StatePart[]> {
    return this.#exclusively("read", uid, signal, async (guest) => {
      if (!guest?.deviceState || guest.process === "Running") {
        throw new DriverError("WrongState", `${uid} has no complete state; suspend it first`);
      }
      const { configuration, progress, deviceState } = guest;
      const factor = this.#noise.next();
      const pacer = new CopyPacer(this.#clock, (bytes) => phaseSeconds(this.#overheads.copy, bytes) * factor);
      const { memory, disk } = partLayouts(configuration);
      const device = Buffer.from(deviceState);
      const whole = { sizeBytes: device.length, extents: [{ offset: 0, lengthBytes: device.length }] };
      return [
        new SimulatedPart("memory", memory, payloadPattern("memory", configuration, progress), pacer),
        new SimulatedPart("disk", disk, payloadPattern("disk", configuration, progress), pacer),
        new SimulatedPart("device", whole, device, pacer),
      ];
    });
  }

  unsuspend(uid: string, signal: AbortSignal): Promise<void> {
    return this.resume(uid, signal);
  }

  prepareIncoming(configuration: GuestConfiguration, _stateBytes: number, signal: AbortSignal): Promise<void> {
    const { uid } = configuration;
    return this.#exclusively("prepareIncoming", uid, signal, async (known) => {
      if (known?.process === "Running") throw wrongState("prepareIncoming", known, "Absent");
      this.#requireImage(configuration.image);
      await this.#checkRoom(configuration);
      const progress = { boot: "", counter: 0, diskRecord: 0 };
      const waiting = { configuration, progress, boots: 1, console: "", hasMemory: true, arrived: {} };
      await this.#store.put(uid, { ...waiting, process: "Waiting" });
    });
  }

  openSink(uid: string, part: { name: StatePartName; sizeBytes: number }, signal: AbortSignal): Promise<StateSink> {
    return this.#exclusively("write", uid, signal, async (guest) => {
      if (!guest) throw wrongState("openSink", guest, "Waiting");
      const { name, sizeBytes } = part;
      const change = async (difference: (current: SimulatedGuest) => Partial<SimulatedGuest>) => {
        const current = await this.#require(uid);
        await this.#store.put(uid, { ...current, ...difference(current) });
      };
      if (name === "device") return new ContentSink(name, sizeBytes, (deviceState) => change(() => ({ deviceState })));
      const layout = partLayouts(guest.configuration)[name];
      if (sizeBytes !== layout.sizeBytes) {
        throw new DriverError("LoadFailed", `${name} of ${sizeBytes} bytes arrives, want ${layout.sizeBytes}`);
      }
      return new PayloadSink(name, layout, (checksum) =>
        change(({ arrived }) => ({ arrived: { ...arrived, [name]: checksum } })),
      );
    });
  }

  load(uid: string, signal: AbortSignal): Promise<void> {
    return this.#exclusively("load", uid, signal, async (guest) => {
      if (guest?.process === "Paused" && guest.deviceState !== undefined) return;
      if (guest && guest.process !== "Waiting" && guest.process !== "Absent")
        throw wrongState("load", guest, "Waiting");
      await this.#load(uid, guest);
    });
  }

  /** R10: the device state goes before the guest goes on. */
  resume(uid: string, signal: AbortSignal): Promise<void> {
    return this.#exclusively("resume", uid, signal, async (known) => {
      if (known?.process === "Running") return;
      if (known?.process === "Waiting") throw wrongState("resume", known, "Paused");
      if (known?.process !== "Paused") {
        if (!known?.deviceState)
          throw new DriverError("GuestCrashed", `${uid}: its process is gone, and so is its state`);
        await this.#load(uid, known);
      }
      const { deviceState: _, arrived: __, ...guest } = await this.#require(uid);
      await this.#store.put(uid, guest);
      await this.#pass(this.#overheads.resume, layoutBytes(guest.configuration), signal);
      await this.#store.put(uid, { ...guest, process: "Running", countingSince: this.#now() });
    });
  }

  async close(): Promise<void> {}

  /** Only when all that came is what was sent. */
  async #load(uid: string, guest: SimulatedGuest | undefined): Promise<void> {
    if (!guest?.deviceState) throw new DriverError("LoadFailed", `${uid}: no device state is here`);
    const state = JSON.parse(guest.deviceState) as SimulatedDeviceState;
    const difference = hardwareDifference(state.configuration, guest.configuration);
    if (difference) throw await this.#loadFailure(guest, difference);
    const layouts = partLayouts(guest.configuration);
    for (const name of ["memory", "disk"] as const) {
      const isWhole =
        guest.arrived?.[name] ===
        payloadChecksum(layouts[name], payloadPattern(name, guest.configuration, state.progress));
      if (guest.arrived && !isWhole) throw await this.#loadFailure(guest, `${name} is not what was sent`);
    }
    await this.#store.put(uid, { ...guest, process: "Paused", progress: state.progress });
  }

  /** The process that could not load is gone, as QEMU's is. */
  async #loadFailure(guest: SimulatedGuest, message: string): Promise<DriverError> {
    await this.#store.put(guest.configuration.uid, { ...guest, process: "Absent" });
    return new DriverError("LoadFailed", message);
  }

  get #images(): string[] {
    return this.#options.images ?? ["busy", "counter"];
  }

  #now(): number {
    return this.#clock.now().getTime();
  }

  #requireImage(name: string): void {
    if (this.#images.includes(name)) return;
    throw new DriverError("ImageMissing", `image ${name}: this host has ${this.#images.join(", ")}`);
  }

  async #require(uid: string): Promise<SimulatedGuest> {
    const guest = await this.#store.get(uid);
    if (!guest) throw new DriverError("NotFound", `guest ${uid} is not on this host`);
    return guest;
  }

  async #capacity(): Promise<HostCapacity> {
    const { cpus = 8, memoryBytes = 64 * 1024 ** 3, stateBytes = memoryBytes } = this.#options.capacity ?? {};
    let takenBytes = 0;
    for (const guest of (await this.#store.all()).values()) {
      if (guest.hasMemory) takenBytes += guest.configuration.memoryBytes;
    }
    return { cpus, memoryBytes, stateBytes, stateFreeBytes: Math.max(0, stateBytes - takenBytes) };
  }

  async #checkRoom({ uid, memoryBytes }: GuestConfiguration): Promise<void> {
    const { stateFreeBytes } = await this.#capacity();
    const known = await this.#store.get(uid);
    const freeBytes = stateFreeBytes + (known?.hasMemory ? known.configuration.memoryBytes : 0);
    if (memoryBytes <= freeBytes) return;
    const room = `${freeBytes} bytes free, ${memoryBytes} are needed`;
    throw new DriverError("StateFolderFull", `the simulated state folder has ${room}`);
  }

  async #pass(cost: PhaseCost, bytes: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(phaseSeconds(cost, bytes) * this.#noise.next() * 1000, signal);
  }

  #exclusively<T>(
    operation: SimulatedOperation,
    uid: string,
    signal: AbortSignal,
    action: (guest: SimulatedGuest | undefined) => Promise<T>,
  ): Promise<T> {
    return this.#lock.run(uid, async () => {
      signal.throwIfAborted();
      this.#failures.strike(operation, uid);
      return action(await this.#store.get(uid));
    });
  }
}

function deviceStateOf(guest: SimulatedGuest, nowMilliseconds: number): Buffer {
  const state: SimulatedDeviceState = {
    configuration: guest.configuration,
    progress: progressAt(guest, nowMilliseconds),
  };
  return Buffer.from(JSON.stringify(state));
}

function payloadPattern(
  name: StatePartName,
  { macAddress }: GuestConfiguration,
  { boot, counter }: GuestProgress,
): string {
  return `${name} of ${macAddress} in boot ${boot} at ${counter}`;
}

/** Without a process. Memory is of no use then, unless a device state goes with it. */
function ended(guest: SimulatedGuest): SimulatedGuest {
  return { ...guest, process: "Absent", hasMemory: guest.deviceState !== undefined };
}

function imageChecksum(name: string): string {
  return createHash("sha256").update(`simulated image ${name}`).digest("hex");
}

function wrongState(operation: string, guest: SimulatedGuest | undefined, wanted: ProcessState): DriverError {
  const state = guest?.process ?? "Absent";
  return new DriverError("WrongState", `${operation}: the guest's process is ${state}, want ${wanted}`);
}
