import { virtualMachineReasons as reasons } from "../../api/conditions.ts";
import { parseMemory } from "../../api/quantity.ts";
import type { VirtualMachine, VMHost } from "../../api/resources.ts";
import { closesWithin, isAllowedGuest } from "../hold-rules.ts";
import { type ClusterView, capacityOf, type Refusal, refusalOf, roomOn } from "./host-check.ts";

/** A host whose window is that near is not chosen: the VM would have to leave again at once. */
const nearSeconds = 600;

export type Choice = { hostName: string } | { refusal: Refusal };

/**
 * Chooses a host for a VM that has none: one that is open to it and not about to be held for others; of those one
 * without any hold to come, then the least loaded, then the first by name.
 * @param avoid hosts that have just refused it, and why
 */
export function chooseHost(
  vm: VirtualMachine,
  cluster: ClusterView,
  avoid: ReadonlyMap<string, Refusal> = new Map(),
): Choice {
  const refusals: string[] = [];
  const open: VMHost[] = [];
  for (const host of cluster.hosts) {
    const name = host.metadata.name;
    const short = (avoid.get(name) ?? refusalOf(vm, name, cluster))?.short ?? nearHold(vm, host, cluster);
    if (short === undefined) open.push(host);
    else refusals.push(`${name}: ${short}`);
  }
  const ranked = open
    .map((host) => ({ hostName: host.metadata.name, ...rank(vm, host, cluster) }))
    .sort((a, b) => a.holds - b.holds || a.load - b.load || (a.hostName < b.hostName ? -1 : 1));
  const best = ranked[0];
  if (best) return { hostName: best.hostName };
  return { refusal: noHostFits(vm, cluster.hosts.length, refusals) };
}

function nearHold(vm: VirtualMachine, host: VMHost, cluster: ClusterView): string | undefined {
  const hold = (host.status?.holds ?? []).find(
    (candidate) =>
      closesWithin(candidate, nearSeconds, cluster.now) &&
      !isAllowedGuest(cluster.reservation(candidate.reservation.uid), vm),
  );
  if (!hold) return undefined;
  const from = hold.closedFrom ?? hold.start;
  return `held by ${hold.reservation.namespace}/${hold.reservation.name} from ${from}`;
}

/** `holds`: 1 when some reservation of others will want the host. `load`: share of CPUs or memory taken, from 0 to 1. */
function rank(vm: VirtualMachine, host: VMHost, cluster: ClusterView): { holds: number; load: number } {
  const room = roomOn(host, cluster, vm);
  const capacity = capacityOf(host);
  const cpuShare = 1 - (room.cpus - vm.spec.cpus) / capacity.cpus;
  const memoryShare = 1 - (room.memoryBytes - parseMemory(vm.spec.memory)) / capacity.memoryBytes;
  const awaited = (host.status?.holds ?? []).some(
    (hold) =>
      cluster.now.getTime() < Date.parse(hold.end) && !isAllowedGuest(cluster.reservation(hold.reservation.uid), vm),
  );
  return { holds: awaited ? 1 : 0, load: Math.max(cpuShare, memoryShare) };
}

const longestList = 10;

function noHostFits(vm: VirtualMachine, hosts: number, refusals: string[]): Refusal {
  const listed = refusals.slice(0, longestList).join("; ");
  const more = refusals.length > longestList ? `; and ${refusals.length - longestList} more` : "";
  const details = hosts === 0 ? "there is no VMHost" : `${listed}${more}`;
  const message = `0 of ${hosts} hosts fit ${vm.spec.cpus} CPUs, ${vm.spec.memory} and image ${vm.spec.disk.image}: ${details}`;
  return { reason: reasons.NoHostFits, message, short: "no host fits" };
}
