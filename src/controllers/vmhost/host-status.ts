import type { GuestReport, HostReport } from "../../agent/protocol/types.ts";
import { formatMemory } from "../../api/quantity.ts";
import type { VMHost } from "../../api/resources.ts";
import type { VMHostStatus } from "../../api/types.gen.ts";
import { setCondition } from "../../runtime/condition.ts";
import type { Readiness } from "./readiness.ts";

const mostImages = 256;
const mostGuests = 1024;

/** What a status says of a reachable agent: itself, its capacity and its guests. Everything is sorted, so that an unchanged host gives an unchanged status. */
export function reported(
  report: HostReport,
  guests: readonly GuestReport[],
  isKnown: (uid: string) => boolean,
): Required<Pick<VMHostStatus, "agent" | "capacity" | "allocated" | "virtualMachines">> {
  const { cpus, memoryBytes, stateBytes } = report.capacity;
  return {
    agent: {
      uuid: report.agentUuid,
      bootID: report.bootId,
      version: report.version,
      driver: report.driver,
      accelerator: report.accelerator,
      cpuModel: report.cpuModel,
      machineType: report.machineType,
      stateLanding: report.stateLanding,
      images: report.images
        .map(({ name, sha256 }) => ({ name, sha256 }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .slice(0, mostImages),
    },
    capacity: { cpus, memory: formatMemory(memoryBytes), stateBytes },
    allocated: {
      cpus: report.allocated.cpus,
      memory: formatMemory(report.allocated.memoryBytes),
      virtualMachines: report.allocated.virtualMachines,
    },
    virtualMachines: guests
      .map(({ uid, namespace, name, epoch, state }) => ({ uid, namespace, name, epoch, state, known: isKnown(uid) }))
      .sort((a, b) => (a.uid < b.uid ? -1 : 1))
      .slice(0, mostGuests),
  };
}

/** The host's status with its condition and whatever else was found out. The holds are never touched here. */
export function withReadiness(host: VMHost, found: Partial<VMHostStatus>, ready: Readiness, now: Date): VMHostStatus {
  const generation = host.metadata.generation;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const condition = { type: "Ready", ...ready, ...observed };
  const conditions = setCondition(host.status?.conditions, condition, now);
  return {
    ...host.status,
    ...found,
    ...observed,
    conditions: conditions as NonNullable<VMHostStatus["conditions"]>,
  };
}
