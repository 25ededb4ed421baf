import { once } from "node:events";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import type { GuestConfiguration } from "../../protocol/types.ts";
import { syncFolder } from "../durable-files.ts";

/**
 * The device state's file: one line of JSON that says which hardware it belongs to, since QEMU accepts some wrong ones
 * silently, then QEMU's own stream. It stands under its final name only while it is complete and may be loaded.
 */
interface Header {
  format: "vacate-device-state-1";
  configuration: GuestConfiguration;
}

const longestHeaderBytes = 64 * 1024;

/** Takes what QEMU sends to a Unix socket and puts it, behind the header, into a file that is durable when this resolves. */
export class DeviceStateReceiver {
  readonly #path: string;
  readonly #socketPath: string;
  readonly #server = createServer();

  constructor(path: string, socketPath: string) {
    this.#path = path;
    this.#socketPath = socketPath;
  }

  /** QEMU may connect from now on. */
  async listen(): Promise<void> {
    await rm(this.#socketPath, { force: true });
    this.#server.listen(this.#socketPath);
    await once(this.#server, "listening");
  }

  /** Waits for QEMU's connection and its end. The file has its final name only after `complete`. */
  async receive(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    const [socket] = (await once(this.#server, "connection", { signal })) as [Socket];
    const header: Header = { format: "vacate-device-state-1", configuration };
    const file = await open(this.#partialPath, "w", 0o600);
    try {
      await file.write(`${JSON.stringify(header)}\n`);
      await pipeline(
        socket,
        async (chunks: AsyncIterable<Buffer>) => {
          for await (const chunk of chunks) await file.writeFile(chunk);
        },
        { signal },
      );
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async complete(): Promise<void> {
    await rename(this.#partialPath, this.#path);
    await syncFolder(dirname(this.#path));
  }

  async close(): Promise<void> {
    this.#server.close();
    await rm(this.#socketPath, { force: true });
    await rm(this.#partialPath, { force: true });
  }

  get #partialPath(): string {
    return `${this.#path}.partial`;
  }
}

/** A device state that is about to be loaded. */
export class DeviceStateFile {
  readonly configuration: GuestConfiguration;
  readonly #file: FileHandle;
  readonly #streamOffset: number;

  private constructor(configuration: GuestConfiguration, file: FileHandle, streamOffset: number) {
    this.configuration = configuration;
    this.#file = file;
    this.#streamOffset = streamOffset;
  }

  /** @throws Error when the file is missing or does not begin with the header */
  static async open(path: string): Promise<DeviceStateFile> {
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(longestHeaderBytes), 0, longestHeaderBytes, 0);
      const end = buffer.subarray(0, bytesRead).indexOf("\n");
      const { format, configuration } = JSON.parse(buffer.toString("utf8", 0, Math.max(end, 0))) as Header;
      if (format !== "vacate-device-state-1") throw new Error(`format ${format}, want vacate-device-state-1`);
      return new DeviceStateFile(configuration, file, end + 1);
    } catch (error) {
      await file.close();
      throw new Error(`the device state is not readable: ${(error as Error).message}`, { cause: error });
    }
  }

  /**
   * Sends QEMU's part to a Unix socket on which QEMU listens. Whether it was taken QEMU says elsewhere: it hangs up as soon
   * as it has read what it needs, and also when it does not like what it reads.
   */
  async sendTo(socketPath: string, signal: AbortSignal): Promise<void> {
    const socket = createConnection(socketPath);
    await once(socket, "connect", { signal });
    const stream = this.#file.createReadStream({ start: this.#streamOffset, autoClose: false });
    await pipeline(stream, socket, { signal }).catch(() => signal.throwIfAborted());
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
