import type { Driver } from "../../src/agent/drivers/driver.ts";

const blockBytes = 1024 * 1024;
const zeros = Buffer.alloc(blockBytes);

/**
 * The least that can be called a transfer: all parts of a suspended guest from one driver to another.
 * @param targetUid absent when it is the same there
 * @returns bytes of the ranges that hold data
 */
export async function copyState(
  from: Driver,
  to: Driver,
  uid: string,
  signal: AbortSignal,
  targetUid = uid,
): Promise<number> {
  let copiedBytes = 0;
  for (const part of await from.stateParts(uid, signal)) {
    const sink = await to.openSink(targetUid, part, signal);
    for (const { offset, lengthBytes } of part.extents) {
      for (let done = 0; done < lengthBytes; done += blockBytes) {
        const buffer = Buffer.alloc(Math.min(blockBytes, lengthBytes - done));
        await part.read(offset + done, buffer, signal);
        if (!buffer.equals(zeros.subarray(0, buffer.length))) await sink.write(offset + done, buffer, signal);
        copiedBytes += buffer.length;
      }
    }
    await sink.finish(signal);
    await sink.close();
    await part.close();
  }
  return copiedBytes;
}
