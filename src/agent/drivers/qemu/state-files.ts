import { execFile } from "node:child_process";
import { type FileHandle, open, readFile, rename, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { StateLanding } from "../../protocol/types.ts";
import { DriverError, type StatePart, type StatePartName, type StateSink } from "../driver.ts";
import { syncFolder } from "../durable-files.ts";
import { dataExtents } from "./extents.ts";

const run = promisify(execFile);

/** Device state is written where memory lies; this much has to stay free for it. */
const deviceStateReserveBytes = 4 * 1024 ** 2;

/** `f_type` of tmpfs and ramfs. */
const memoryFileSystems = [0x01021994, 0x858458f6];

export async function stateLandingOf(folder: string): Promise<StateLanding> {
  return memoryFileSystems.includes((await statfs(folder)).type) ? "RAM" : "Disk";
}

/**
 * Keeps two agents of one machine from taking the same folder for their guests.
 * @param owner the data directory of the agent
 * @throws Error when the folder is another agent's
 */
export async function claimFolder(folder: string, owner: string): Promise<void> {
  const mark = join(folder, ".owner");
  await writeFile(mark, owner, { flag: "wx", mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const found = await readFile(mark, "utf8");
  if (found === owner) return;
  throw new Error(
    `${folder} belongs to the agent with data directory ${found}; give each agent its own (or remove ${mark})`,
  );
}

/**
 * Makes a guest's memory file, reading as zeros, with all its space taken: a guest that touches memory for which a tmpfs
 * has no room is killed.
 * @throws DriverError `StateFolderFull`, with how much there is and how much is needed
 */
export async function allocateMemory(path: string, memoryBytes: number, signal: AbortSignal): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  const freeBytes = bavail * bsize;
  const neededBytes = memoryBytes + deviceStateReserveBytes;
  if (freeBytes < neededBytes) throw stateFolderFull(dirname(path), neededBytes, freeBytes);
  await rm(path, { force: true });
  await writeFile(path, "", { mode: 0o600 });
  try {
    await run("fallocate", ["--length", `${memoryBytes}`, path], { signal });
  } catch (error) {
    signal.throwIfAborted();
    const complaint = String((error as { stderr?: string }).stderr);
    if (/not supported/i.test(complaint)) return truncate(path, memoryBytes);
    await rm(path, { force: true });
    if (/no space/i.test(complaint)) throw stateFolderFull(dirname(path), neededBytes, freeBytes);
    throw error;
  }
}

/** One file of a suspended guest, for reading. */
export class FilePart implements StatePart {
  readonly name: StatePartName;
  readonly sizeBytes: number;
  readonly extents: StatePart["extents"];
  readonly #file: FileHandle;

  private constructor(name: StatePartName, sizeBytes: number, extents: StatePart["extents"], file: FileHandle) {
    this.name = name;
    this.sizeBytes = sizeBytes;
    this.extents = extents;
    this.#file = file;
  }

  static async open(name: StatePartName, path: string, qemuImg: string, signal: AbortSignal): Promise<FilePart> {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      // The map counts in whole sectors; a file need not.
      const extents = (await dataExtents(qemuImg, path, signal)).map(({ offset, lengthBytes }) => ({
        offset,
        lengthBytes: Math.min(lengthBytes, size - offset),
      }));
      return new FilePart(name, size, extents, file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async read(offset: number, buffer: Buffer, signal: AbortSignal): Promise<void> {
    if (offset < 0 || offset + buffer.length > this.sizeBytes) {
      const range = `${buffer.length} bytes at ${offset}`;
      throw new DriverError("InvalidRequest", `${this.name}: ${range} are beyond its ${this.sizeBytes} bytes`);
    }
    for (let done = 0; done < buffer.length; ) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, done, buffer.length - done, offset + done);
      if (bytesRead === 0) throw new DriverError("CopyFailed", `${this.name} became shorter while it was read`);
      done += bytesRead;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

interface FileSinkOptions {
  name: StatePartName;
  sizeBytes: number;
  /** Written in place, since QEMU has it open; or made anew. */
  path: string;
  /** The name it gets when it is complete; left out when it has it already. */
  finalPath?: string;
  /** Its zeros are there already, and its space is taken. */
  keepSpace: boolean;
  /** Whether `finish` waits until it is on the disk. */
  durable: boolean;
}

/** One file of an arriving guest. */
export class FileSink implements StateSink {
  readonly name: StatePartName;
  readonly #options: FileSinkOptions;
  readonly #file: FileHandle;
  #isClosed = false;

  private constructor(options: FileSinkOptions, file: FileHandle) {
    this.name = options.name;
    this.#options = options;
    this.#file = file;
  }

  static async open(options: FileSinkOptions): Promise<FileSink> {
    const file = await open(options.path, options.finalPath === undefined ? "r+" : "w", 0o600);
    try {
      if (!options.keepSpace) {
        await file.truncate(0);
        await file.truncate(options.sizeBytes);
      }
      return new FileSink(options, file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async write(offset: number, data: Buffer, signal: AbortSignal): Promise<void> {
    const { sizeBytes, path } = this.#options;
    if (offset < 0 || offset + data.length > sizeBytes) {
      const range = `${data.length} bytes at ${offset}`;
      throw new DriverError("InvalidRequest", `${this.name}: ${range} are beyond its ${sizeBytes} bytes`);
    }
    try {
      for (let done = 0; done < data.length; ) {
        signal.throwIfAborted();
        done += (await this.#file.write(data, done, data.length - done, offset + done)).bytesWritten;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      const { bavail, bsize } = await statfs(dirname(path));
      throw stateFolderFull(dirname(path), sizeBytes, bavail * bsize);
    }
  }

  async finish(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { path, finalPath, durable } = this.#options;
    if (durable) await this.#file.sync();
    if (finalPath === undefined) return;
    await rename(path, finalPath);
    if (durable) await syncFolder(dirname(finalPath));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#file.close();
  }
}

function stateFolderFull(folder: string, neededBytes: number, freeBytes: number): DriverError {
  return new DriverError("StateFolderFull", `${folder} has ${freeBytes} bytes free, ${neededBytes} are needed`);
}
