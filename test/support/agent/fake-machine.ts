import { randomUUID } from "node:crypto";
import type { ProcessState } from "../../../src/agent/drivers/driver.ts";
import type { GuestConfiguration, StateLanding } from "../../../src/agent/protocol/types.ts";

/** A guest's process and files on a machine; they outlive the agent. */
export interface FakeGuest {
  configuration: GuestConfiguration;
  process: ProcessState;
  disk: Buffer;
  /** Gone with the process of a guest that runs; complete once it is suspended. */
  memory: Buffer | undefined;
  /** Valid as long as it is there (R10). */
  device: Buffer | undefined;
}

/** Watches all machines: a guest that runs twice is noticed at the moment it happens. */
export class FakeCluster {
  readonly machines: FakeMachine[] = [];
  readonly violations: string[] = [];
  readonly #timesRun = new Map<string, number>();

  machine(name: string, landing: StateLanding = "RAM"): FakeMachine {
    const machine = new FakeMachine(name, landing, this);
    this.machines.push(machine);
    return machine;
  }

  /** Names of the machines on which the guest's CPUs run. */
  running(uid: string): string[] {
    const machines = this.machines.filter((machine) => machine.guests.get(uid)?.process === "Running");
    return machines.map((machine) => machine.name);
  }

  /** A guest runs on. Its memory counts how often it did: one that runs on from memory it has left behind is noticed. */
  noteRunning(uid: string, memory: Buffer): void {
    const machines = this.running(uid);
    if (machines.length > 1) this.violations.push(`${uid} runs on ${machines.join(" and ")}`);
    const times = this.#timesRun.get(uid) ?? 0;
    const remembered = memory.readUInt32LE(0);
    const isFresh = remembered === 0;
    if (!isFresh && remembered !== times)
      this.violations.push(`${uid} runs on from memory of run ${remembered} of ${times}`);
    this.#timesRun.set(uid, times + 1);
    memory.writeUInt32LE(times + 1, 0);
  }
}

export class FakeMachine {
  readonly name: string;
  readonly landing: StateLanding;
  readonly cluster: FakeCluster;
  readonly guests = new Map<string, FakeGuest>();
  readonly exitListeners = new Set<(uid: string, cause: "PoweredOff" | "Died") => void>();
  bootId: string = randomUUID();
  cpus = 8;
  memoryBytes = 64 * 2 ** 30;
  cpuModel = "fake-cpu";

  constructor(name: string, landing: StateLanding, cluster: FakeCluster) {
    this.name = name;
    this.landing = landing;
    this.cluster = cluster;
  }

  setRunning(uid: string): void {
    const guest = this.guests.get(uid);
    if (guest === undefined) throw new Error(`no guest ${uid} on ${this.name}`);
    if (guest.memory === undefined) throw new Error(`${uid} has no memory on ${this.name}`);
    guest.process = "Running";
    this.cluster.noteRunning(uid, guest.memory);
  }

  /** The process dies. Memory of a guest that ran is worth nothing without it; a suspended one's is complete on file. */
  kill(uid: string, cause: "PoweredOff" | "Died" = "Died"): void {
    const guest = this.guests.get(uid);
    if (guest === undefined || guest.process === "Absent") return;
    if (guest.process === "Running") guest.memory = undefined;
    guest.process = "Absent";
    for (const listener of this.exitListeners) listener(uid, cause);
  }

  killAll(): void {
    for (const uid of this.guests.keys()) this.kill(uid);
  }

  reboot(): void {
    this.killAll();
    this.bootId = randomUUID();
    if (this.landing === "Disk") return;
    for (const guest of this.guests.values()) {
      guest.memory = undefined;
      guest.device = undefined;
    }
  }
}
