import type {
  Driver,
  DriverDescription,
  ProcessState,
  StatePart,
  StatePartName,
  StateSink,
} from "../../../src/agent/drivers/driver.ts";
import { DriverError } from "../../../src/agent/drivers/driver.ts";
import type { GuestConfiguration } from "../../../src/agent/protocol/types.ts";
import type { FakeGuest, FakeMachine } from "./fake-machine.ts";
import { FaultPoints } from "./fault-points.ts";

type Step = keyof Driver;

/** Drives a `FakeMachine`. Every method passes a fault point before and after its effect, and may be made to fail or wait. */
export class FakeDriver implements Driver {
  readonly name = "Simulated";
  readonly calls: Step[] = [];
  readonly #machine: FakeMachine;
  readonly #faults: FaultPoints;
  readonly #failures = new Map<Step, (Error | undefined)[]>();
  readonly #actions = new Map<Step, () => void>();
  readonly #gates = new Map<Step, Promise<void>>();
  #listener: ((uid: string, cause: "PoweredOff" | "Died") => void) | undefined;

  constructor(machine: FakeMachine, faults: FaultPoints = new FaultPoints()) {
    this.#machine = machine;
    this.#faults = faults;
  }

  /** The next calls of that method fail, one with each error; those with undefined do not. */
  fail(step: Step, ...errors: (Error | undefined)[]): void {
    this.#failures.set(step, errors);
  }

  /** Does this right after the next call of that method took effect. */
  after(step: Step, action: () => void): void {
    this.#actions.set(step, action);
  }

  /** Calls of that method wait. Returns what lets them go on. */
  hold(step: Step): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gates.set(step, promise);
    return () => {
      this.#gates.delete(step);
      resolve();
    };
  }

  async describe(): Promise<DriverDescription> {
    const { cpus, cpuModel, landing, memoryBytes } = this.#machine;
    return {
      accelerator: "simulated",
      cpuModel,
      machineType: "fake-1.0",
      stateLanding: landing,
      capacity: { cpus, memoryBytes, stateBytes: memoryBytes, stateFreeBytes: memoryBytes },
      images: [{ name: "tiny", sha256: "0".repeat(64) }],
    };
  }

  async configure(
    wanted: Pick<GuestConfiguration, "uid" | "namespace" | "name" | "cpus" | "memoryBytes" | "image">,
  ): Promise<GuestConfiguration> {
    if (wanted.image !== "tiny") throw new DriverError("ImageMissing", `image ${wanted.image} is not here`);
    return {
      ...wanted,
      imageSha256: "0".repeat(64),
      driver: "Simulated",
      accelerator: "simulated",
      machineType: "fake-1.0",
      cpuModel: this.#machine.cpuModel,
      devices: [],
      macAddress: "52:54:00:00:00:01",
    };
  }

  async checkCompatible(configuration: GuestConfiguration): Promise<void> {
    if (configuration.cpuModel === this.#machine.cpuModel) return;
    throw new DriverError("Incompatible", `cpuModel is ${this.#machine.cpuModel}, not ${configuration.cpuModel}`);
  }

  async recover(uids: string[]): Promise<Map<string, ProcessState>> {
    return new Map(uids.map((uid) => [uid, this.#machine.guests.get(uid)?.process ?? "Absent"]));
  }

  async processState(uid: string): Promise<ProcessState> {
    return this.#machine.guests.get(uid)?.process ?? "Absent";
  }

  onExit(listener: (uid: string, cause: "PoweredOff" | "Died") => void): void {
    this.#listener = listener;
    this.#machine.exitListeners.add(listener);
  }

  boot(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    return this.#effect("boot", signal, () => {
      const disk = this.#machine.guests.get(configuration.uid)?.disk ?? Buffer.from(`disk of ${configuration.uid}`);
      const guest: FakeGuest = { configuration, process: "Waiting", disk, memory: freshMemory(), device: undefined };
      this.#machine.guests.set(configuration.uid, guest);
      this.#faults.reach("boot: process there");
      this.#machine.setRunning(configuration.uid);
    });
  }

  powerOff(uid: string, _graceSeconds: number, signal: AbortSignal): Promise<void> {
    return this.#effect("powerOff", signal, () => {
      const guest = this.#machine.guests.get(uid);
      if (guest) Object.assign(guest, { process: "Absent", memory: undefined, device: undefined });
    });
  }

  discard(uid: string, signal: AbortSignal): Promise<void> {
    return this.#effect("discard", signal, () => {
      this.#machine.guests.delete(uid);
    });
  }

  async console(uid: string, bytes: number): Promise<string> {
    return `console of ${uid}`.slice(-bytes);
  }

  async estimateStateBytes(uid: string): Promise<number> {
    return this.#guest(uid).memory?.length ?? 0;
  }

  suspend(uid: string, signal: AbortSignal): Promise<void> {
    return this.#effect("suspend", signal, () => {
      const guest = this.#guest(uid);
      if (guest.process === "Absent") throw new DriverError("GuestCrashed", `${uid} has no process`);
      guest.process = "Paused";
      this.#faults.reach("suspend: paused");
      guest.device = Buffer.from(`device state of ${uid}`);
    });
  }

  async stateParts(uid: string): Promise<StatePart[]> {
    const { device, disk, memory } = this.#guest(uid);
    if (memory === undefined || device === undefined) throw new DriverError("SuspendFailed", `${uid} has no state`);
    return [part("memory", memory), part("disk", disk), part("device", device)];
  }

  unsuspend(uid: string, signal: AbortSignal): Promise<void> {
    return this.#effect("unsuspend", signal, () => {
      const guest = this.#guest(uid);
      if (guest.process === "Running") return;
      const isPair = guest.device !== undefined && guest.memory !== undefined;
      if (guest.process === "Absent" && !isPair) throw new DriverError("GuestCrashed", `${uid} is gone`);
      guest.device = undefined;
      this.#faults.reach("unsuspend: device state invalid");
      this.#machine.setRunning(uid);
    });
  }

  prepareIncoming(configuration: GuestConfiguration, _stateBytes: number, signal: AbortSignal): Promise<void> {
    return this.#effect("prepareIncoming", signal, () => {
      const nothing = { disk: Buffer.alloc(0), memory: undefined, device: undefined };
      this.#machine.guests.set(configuration.uid, { configuration, process: "Waiting", ...nothing });
    });
  }

  async openSink(uid: string, opened: { name: StatePartName; sizeBytes: number }): Promise<StateSink> {
    this.#faults.reach(`openSink ${opened.name}`);
    const content = Buffer.alloc(opened.sizeBytes);
    const write = async (offset: number, data: Buffer, signal: AbortSignal) => {
      await this.#wait("openSink", signal);
      data.copy(content, offset);
    };
    const finish = async () => {
      this.#guest(uid)[opened.name] = content;
    };
    return { name: opened.name, write, finish, close: async () => {} };
  }

  load(uid: string, signal: AbortSignal): Promise<void> {
    return this.#effect("load", signal, () => {
      const guest = this.#guest(uid);
      if (guest.process === "Paused") return;
      const isPair = guest.device !== undefined && guest.memory !== undefined;
      if (!isPair || guest.process === "Running") throw new DriverError("LoadFailed", `${uid} has no state to load`);
      guest.process = "Paused";
    });
  }

  resume(uid: string, signal: AbortSignal): Promise<void> {
    return this.#effect("resume", signal, () => {
      const guest = this.#guest(uid);
      if (guest.process === "Running") return;
      if (guest.process !== "Paused") throw new DriverError("ResumeFailed", `${uid} is ${guest.process}`);
      guest.device = undefined;
      this.#faults.reach("resume: device state invalid");
      this.#machine.setRunning(uid);
    });
  }

  async close(): Promise<void> {
    if (this.#listener) this.#machine.exitListeners.delete(this.#listener);
  }

  async #effect(step: Step, signal: AbortSignal, effect: () => void): Promise<void> {
    this.calls.push(step);
    this.#faults.reach(step);
    await this.#wait(step, signal);
    const failure = this.#failures.get(step)?.shift();
    if (failure) throw failure;
    effect();
    this.#actions.get(step)?.();
    this.#actions.delete(step);
    this.#faults.reach(`${step} done`);
  }

  async #wait(step: Step, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const gate = this.#gates.get(step);
    if (gate === undefined) return;
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    await Promise.race([gate, aborted, this.#faults.crashed]);
    this.#faults.reach(`${step} goes on`);
  }

  #guest(uid: string): FakeGuest {
    const guest = this.#machine.guests.get(uid);
    if (guest === undefined) throw new DriverError("NotFound", `no guest ${uid} on ${this.#machine.name}`);
    return guest;
  }
}

/** With a hole, a zero block between data, and an end that is no whole block. */
function freshMemory(): Buffer {
  const memory = Buffer.alloc(3 * 2 ** 20 + 1000);
  memory.fill("memory", 4, 100_000); // the first four bytes count how often it ran
  memory.fill("memory", 300_000, 400_000);
  memory.fill("more", 2 * 2 ** 20, memory.length);
  return memory;
}

function part(name: StatePartName, content: Buffer): StatePart {
  const hole = { offset: 500_000, lengthBytes: 1_000_000 };
  const isSmall = content.length < 2 ** 20;
  const extents = isSmall
    ? [{ offset: 0, lengthBytes: content.length }]
    : [
        { offset: 0, lengthBytes: hole.offset },
        { offset: hole.offset + hole.lengthBytes, lengthBytes: content.length - hole.offset - hole.lengthBytes },
      ];
  const copy = Buffer.from(content);
  const read = async (offset: number, buffer: Buffer) => {
    copy.copy(buffer, 0, offset);
  };
  return { name, sizeBytes: content.length, extents, read, close: async () => {} };
}
