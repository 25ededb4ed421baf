import type { OverheadModel, VMHost } from "../../api/resources.ts";
import type { VirtualMachineStatus } from "../../api/types.gen.ts";
import { predictMigration } from "../../model/predict-migration.ts";
import type { CacheReader } from "../../runtime/cache.ts";

export type PredictedMilliseconds = NonNullable<
  NonNullable<VirtualMachineStatus["migration"]>["predictedMilliseconds"]
>;

const defaultLinkMegabits = 1000;

/** Bytes a second of the slower of two hosts' links, as their specs say. */
function linkBytesPerSecond(...hosts: (VMHost | undefined)[]): number {
  const megabits = hosts.map((host) => host?.spec.linkMegabitsPerSecond ?? defaultLinkMegabits);
  return (Math.min(...megabits) * 1e6) / 8;
}

/** What one migration is expected to take by phase, from what both hosts' models have learned. */
export function predictPhases(
  source: VMHost | undefined,
  target: VMHost | undefined,
  stateBytes: number,
  overheadModels: CacheReader<OverheadModel>,
): PredictedMilliseconds {
  const modelOf = (host: VMHost | undefined) =>
    overheadModels.get({ name: host?.spec.overheadModelName ?? "default" })?.status;
  const prediction = predictMigration({
    source: modelOf(source),
    target: modelOf(target),
    stateBytes,
    linkBytesPerSecond: linkBytesPerSecond(source, target),
  });
  return {
    suspend: Math.round(prediction.suspendSeconds * 1000),
    copy: Math.round(prediction.copySeconds * 1000),
    resume: Math.round(prediction.resumeSeconds * 1000),
    total: Math.round(prediction.totalSeconds * 1000),
  };
}
