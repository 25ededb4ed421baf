import type { VirtualMachine, VMHost } from "../../api/resources.ts";
import type { VirtualMachineStatus } from "../../api/types.gen.ts";
import type { Observation } from "../../model/phase-fits.ts";

type Migration = NonNullable<VirtualMachineStatus["migrations"]>[number];

const defaultModel = "default";

/** The OverheadModel that learns from a host's migrations. */
export function modelNameOf(host: VMHost): string {
  return host.spec.overheadModelName ?? defaultModel;
}

/** Names of all models that some host learns with. */
export function namedModels(hosts: readonly VMHost[]): Set<string> {
  return new Set(hosts.map(modelNameOf));
}

/**
 * What one model can learn from the migrations that VMs remember, oldest first: those that succeeded, from or to a host
 * of this model. A host that was deleted has no model.
 */
export function observationsFor(
  modelName: string,
  hosts: readonly VMHost[],
  virtualMachines: readonly VirtualMachine[],
): Observation[] {
  const members = new Set(hosts.filter((host) => modelNameOf(host) === modelName).map((host) => host.metadata.name));
  const found = virtualMachines.flatMap((vm) =>
    (vm.status?.migrations ?? []).flatMap((migration) => observationOf(migration, members) ?? []),
  );
  return found.sort((a, b) => timeOf(a) - timeOf(b) || (a.id < b.id ? -1 : 1));
}

function observationOf(migration: Migration, members: ReadonlySet<string>): Observation | undefined {
  const { id, result, from, to, stateBytes, measuredMilliseconds } = migration;
  if (result !== "Succeeded" || stateBytes === undefined || measuredMilliseconds === undefined) return undefined;
  const [isSource, isTarget] = [members.has(from), members.has(to)];
  if (!isSource && !isTarget) return undefined;
  const { finishedAt, parallel, predictedMilliseconds } = migration;
  return {
    id,
    role: isSource && isTarget ? "Both" : isSource ? "Source" : "Target",
    stateBytes,
    measuredMilliseconds,
    ...(finishedAt !== undefined && { finishedAt }),
    ...(parallel !== undefined && { parallel }),
    ...(predictedMilliseconds !== undefined && { predictedMilliseconds }),
  };
}

function timeOf({ finishedAt }: Observation): number {
  return finishedAt === undefined ? 0 : Date.parse(finishedAt);
}
