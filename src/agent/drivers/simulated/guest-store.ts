import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KeyedLock } from "../../keyed-lock.ts";
import type { GuestConfiguration } from "../../protocol/types.ts";
import type { ProcessState } from "../driver.ts";
import { makePrivateFolder, writeFileDurably } from "../durable-files.ts";

/** What a simulated guest would know itself: how often it has counted, in which boot, and what is on its disk. */
export interface GuestProgress {
  boot: string;
  counter: number;
  diskRecord: number;
}

export interface SimulatedGuest {
  configuration: GuestConfiguration;
  process: ProcessState;
  progress: GuestProgress;
  /** When it began to count on from `progress`, in milliseconds of the driver's clock; only while it runs. */
  countingSince?: number;
  boots: number;
  /** What it said before it last began to run. */
  console: string;
  /** Takes room in the state folder. */
  hasMemory: boolean;
  /** There while the state may be loaded or run on from a dead process (R10). */
  deviceState?: string;
  /** Checksums of the parts that arrived; there until the guest runs here. */
  arrived?: { memory?: string; disk?: string };
}

/** Keeps simulated guests in a file, so that they outlive the agent as real ones do. */
export class GuestStore {
  readonly #path: string;
  readonly #lock = new KeyedLock();
  #guests: Map<string, SimulatedGuest> | undefined;

  constructor(dataDirectory: string) {
    this.#path = join(dataDirectory, "simulated-guests.json");
  }

  async all(): Promise<Map<string, SimulatedGuest>> {
    this.#guests ??= await this.#read();
    return this.#guests;
  }

  async get(uid: string): Promise<SimulatedGuest | undefined> {
    return (await this.all()).get(uid);
  }

  /** Durable when it resolves. */
  async put(uid: string, guest: SimulatedGuest | undefined): Promise<void> {
    const guests = await this.all();
    if (guest) guests.set(uid, guest);
    else guests.delete(uid);
    await this.#lock.run("file", () => writeFileDurably(this.#path, JSON.stringify([...guests], null, 1)));
  }

  async #read(): Promise<Map<string, SimulatedGuest>> {
    await makePrivateFolder(join(this.#path, ".."));
    try {
      return new Map(JSON.parse(await readFile(this.#path, "utf8")) as [string, SimulatedGuest][]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
      throw new Error(`${this.#path} is not readable: ${(error as Error).message}`, { cause: error });
    }
  }
}
