import type { VirtualMachineStatus } from "../../api/types.gen.ts";

const firstMilliseconds = 5_000;
const longestMilliseconds = 300_000;

/** 5 s after the first failure, doubling up to five minutes. */
export function backoffMilliseconds(failures: number): number {
  if (failures <= 0) return 0;
  return Math.min(longestMilliseconds, firstMilliseconds * 2 ** (failures - 1));
}

/**
 * Milliseconds until a migration to this host may be tried again; zero or less for now. Counts the failures to the
 * same host since the last migration that succeeded or went elsewhere, so that it holds across restarts. One that was
 * stopped because the wish had changed is no failure.
 * @param finished newest first
 */
export function retryAfterMilliseconds(
  finished: NonNullable<VirtualMachineStatus["migrations"]>,
  hostName: string,
  now: Date,
): number {
  const end = finished.findIndex(
    ({ result, to, reason }) => result === "Succeeded" || to !== hostName || reason === "Aborted",
  );
  const failures = end < 0 ? finished.length : end;
  const last = finished[0]?.finishedAt;
  if (failures === 0 || last === undefined) return 0;
  return Date.parse(last) + backoffMilliseconds(failures) - now.getTime();
}
