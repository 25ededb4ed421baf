import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Extent {
  offset: number;
  lengthBytes: number;
}

interface MapEntry {
  start: number;
  length: number;
  data: boolean;
}

/**
 * The ranges of a file that hold data. Node has no SEEK_DATA, `qemu-img map` has. Must be asked before the file is read
 * where it was `fallocate`d on ext4: there reading turns holes into data.
 */
export async function dataExtents(qemuImg: string, path: string, signal: AbortSignal): Promise<Extent[]> {
  const parameters = ["map", "-U", "--output=json", "-f", "raw", path];
  const { stdout } = await run(qemuImg, parameters, { signal, maxBuffer: 1024 ** 3 });
  return parseMap(stdout);
}

/** @param json what `qemu-img map --output=json` prints */
export function parseMap(json: string): Extent[] {
  const extents: Extent[] = [];
  for (const { start, length, data } of JSON.parse(json) as MapEntry[]) {
    if (!data) continue;
    const last = extents.at(-1);
    if (last && last.offset + last.lengthBytes === start) last.lengthBytes += length;
    else extents.push({ offset: start, lengthBytes: length });
  }
  return extents;
}

export function totalBytes(extents: Extent[]): number {
  return extents.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}
