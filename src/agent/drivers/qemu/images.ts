import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { DriverError } from "../driver.ts";
import { writeFileDurably } from "../durable-files.ts";

/** A base image: `<images>/<name>/{disk.raw or disk.qcow2, vmlinuz, initrd, cmdline}`, the last three optional. */
export interface Image {
  name: string;
  disk: string;
  diskFormat: "raw" | "qcow2";
  kernel?: string;
  initrd?: string;
  kernelParameters: string;
}

const imageFileNames = ["disk.raw", "disk.qcow2", "vmlinuz", "initrd", "cmdline"];

/** Finds base images, and knows their checksums without reading them again as long as they are unchanged. */
export class Images {
  readonly #folder: string;
  readonly #cachePath: string;
  #cache: Record<string, string> | undefined;

  /** @param cachePath where checksums are kept, by path, size and time of change */
  constructor(folder: string, cachePath: string) {
    this.#folder = folder;
    this.#cachePath = cachePath;
  }

  /** All images of this host with their checksums. */
  async list(signal: AbortSignal): Promise<{ name: string; sha256: string }[]> {
    const images: { name: string; sha256: string }[] = [];
    for (const name of await this.#names()) images.push({ name, sha256: await this.checksum(name, signal) });
    return images;
  }

  /** The kernel of one of the images, if any has one. */
  async anyKernel(): Promise<string | undefined> {
    for (const name of await this.#names()) {
      const { kernel } = await this.find(name);
      if (kernel) return kernel;
    }
    return undefined;
  }

  /** @throws DriverError `ImageMissing` */
  async find(name: string): Promise<Image> {
    const disk = isImageName(name) ? await this.#diskOf(name) : undefined;
    if (!disk) {
      const wanted = `want a folder with a disk.raw or disk.qcow2`;
      throw new DriverError("ImageMissing", `image ${JSON.stringify(name)} is not in ${this.#folder}: ${wanted}`);
    }
    const folder = join(this.#folder, name);
    const names = new Set(await readdir(folder));
    const kernelParameters = names.has("cmdline") ? (await readFile(join(folder, "cmdline"), "utf8")).trim() : "";
    return {
      name,
      disk,
      diskFormat: disk.endsWith(".qcow2") ? "qcow2" : "raw",
      ...(names.has("vmlinuz") ? { kernel: join(folder, "vmlinuz") } : {}),
      ...(names.has("initrd") ? { initrd: join(folder, "initrd") } : {}),
      kernelParameters,
    };
  }

  /**
   * SHA-256 over everything that makes the image what it is, in hex. The same as `sha256sum disk.raw vmlinuz initrd
   * cmdline | sha256sum` in its folder, with those files that are there.
   * @throws DriverError `ImageMissing`
   */
  async checksum(name: string, signal: AbortSignal): Promise<string> {
    await this.find(name);
    const names = new Set(await readdir(join(this.#folder, name)));
    const hash = createHash("sha256");
    for (const file of imageFileNames.filter((each) => names.has(each))) {
      hash.update(`${await this.#fileChecksum(join(this.#folder, name, file), signal)}  ${file}\n`);
    }
    return hash.digest("hex");
  }

  async #names(): Promise<string[]> {
    const names: string[] = [];
    for (const name of await readdir(this.#folder).catch(() => [])) {
      if (isImageName(name) && (await this.#diskOf(name))) names.push(name);
    }
    return names.sort();
  }

  async #diskOf(name: string): Promise<string | undefined> {
    for (const file of ["disk.raw", "disk.qcow2"]) {
      const path = join(this.#folder, name, file);
      if (
        await stat(path).then(
          (found) => found.isFile(),
          () => false,
        )
      )
        return path;
    }
    return undefined;
  }

  async #fileChecksum(path: string, signal: AbortSignal): Promise<string> {
    const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
    const key = [path, size, mtimeNs, ctimeNs, ino].join(" ");
    this.#cache ??= await readCache(this.#cachePath);
    const known = this.#cache[key];
    if (known) return known;
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 ** 2, signal })) hash.update(chunk);
    const checksum = hash.digest("hex");
    for (const old of Object.keys(this.#cache)) if (old.startsWith(`${path} `)) delete this.#cache[old];
    this.#cache[key] = checksum;
    await writeFileDurably(this.#cachePath, JSON.stringify(this.#cache));
    return checksum;
  }
}

function isImageName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name);
}

async function readCache(path: string): Promise<Record<string, string>> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Record<string, string>;
  } catch {
    return {};
  }
}
