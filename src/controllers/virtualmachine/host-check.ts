import { virtualMachineReasons as reasons, vmHostConditions, vmHostReasons } from "../../api/conditions.ts";
import { matchesLabels } from "../../api/label-selector.ts";
import { formatMemory, parseMemory } from "../../api/quantity.ts";
import type { Reservation, VirtualMachine, VMHost } from "../../api/resources.ts";
import { findCondition } from "../../runtime/condition.ts";
import { isAllowedGuest, isClosed } from "../hold-rules.ts";

/** Why a VM cannot be on a host, as its condition `Placed` will say it. */
export interface Refusal {
  reason: keyof typeof reasons;
  message: string;
  /** The same in a few words, for a list of many hosts. */
  short: string;
}

/** The cluster as the caches know it. */
export interface ClusterView {
  now: Date;
  hosts: readonly VMHost[];
  virtualMachines: readonly VirtualMachine[];
  /** The reservation with this uid; undefined when it is gone. */
  reservation(uid: string): Reservation | undefined;
  /** Hosts that VMs were just given, by VM uid, while the cache does not show it yet. */
  assumed: ReadonlyMap<string, string>;
}

/** Why the VM may not come to this host now; undefined when it may. */
export function refusalOf(vm: VirtualMachine, hostName: string, cluster: ClusterView): Refusal | undefined {
  const host = cluster.hosts.find((candidate) => candidate.metadata.name === hostName);
  if (!host) {
    const message = `there is no VMHost ${hostName}; create it, or name another one in spec.hostName`;
    return { reason: reasons.NoSuchHost, message, short: "does not exist" };
  }
  return (
    notReady(host) ??
    unsuitable(vm, host, cluster) ??
    heldForOthers(vm, host, cluster) ??
    withoutImage(vm, host) ??
    full(vm, host, cluster)
  );
}

/** Agents of hosts in these states cannot be believed, or must not be asked (R8). */
const unusable: ReadonlySet<string> = new Set([
  vmHostReasons.IdentityChanged,
  vmHostReasons.DuplicateAgent,
  vmHostReasons.InvalidSpec,
]);

/** Whether what the host's agent says may be believed. */
export function isTrusted(host: VMHost): boolean {
  const ready = findCondition(host.status?.conditions, vmHostConditions.Ready);
  return !unusable.has(ready?.reason ?? "");
}

function notReady(host: VMHost): Refusal | undefined {
  const name = host.metadata.name;
  const ready = findCondition(host.status?.conditions, vmHostConditions.Ready);
  if (ready?.status !== "True") {
    const why = ready?.reason ?? vmHostReasons.Connecting;
    const message = `${name} is not ready: ${why}${ready?.message ? `: ${ready.message}` : ""}`;
    return { reason: reasons.HostNotReady, message, short: `not ready (${why})` };
  }
  if (host.spec.unschedulable) {
    const message = `${name} takes no VMs: its spec.unschedulable is true`;
    return { reason: reasons.HostUnschedulable, message, short: "unschedulable" };
  }
  return undefined;
}

function unsuitable(vm: VirtualMachine, host: VMHost, cluster: ClusterView): Refusal | undefined {
  const name = host.metadata.name;
  if (!matchesLabels(vm.spec.placement?.hostSelector, host.metadata.labels)) {
    const message = `${name} lacks labels that spec.placement.hostSelector asks for`;
    return { reason: reasons.HostMismatch, message, short: "other labels" };
  }
  const neighbours = cluster.virtualMachines.filter(
    (other) =>
      other.metadata.uid !== vm.metadata.uid &&
      other.metadata.namespace === vm.metadata.namespace &&
      occupies(other, name, cluster),
  );
  const enemy = neighbours.find((other) => repels(vm, other) || repels(other, vm));
  if (!enemy) return undefined;
  const message = `${name} has ${enemy.metadata.name}, from which it has to stay apart by spec.placement.apartFrom`;
  return { reason: reasons.HostMismatch, message, short: `apart from ${enemy.metadata.name}` };
}

function repels(vm: VirtualMachine, other: VirtualMachine): boolean {
  const selector = vm.spec.placement?.apartFrom;
  return selector !== undefined && matchesLabels(selector, other.metadata.labels);
}

function heldForOthers(vm: VirtualMachine, host: VMHost, cluster: ClusterView): Refusal | undefined {
  const hold = (host.status?.holds ?? []).find(
    (candidate) =>
      isClosed(candidate, cluster.now) && !isAllowedGuest(cluster.reservation(candidate.reservation.uid), vm),
  );
  if (!hold) return undefined;
  const { namespace, name } = hold.reservation;
  const message = `${host.metadata.name} is held by reservation ${namespace}/${name} until ${hold.end}`;
  return { reason: reasons.HostHeld, message, short: `held by ${namespace}/${name}` };
}

function withoutImage(vm: VirtualMachine, host: VMHost): Refusal | undefined {
  const images = (host.status?.agent?.images ?? []).map((image) => image.name);
  const { image } = vm.spec.disk;
  if (images.includes(image)) return undefined;
  const message = `${host.metadata.name} has no base image ${image}; it has ${images.join(", ") || "none"}`;
  return { reason: reasons.ImageMissing, message, short: `no image ${image}` };
}

function full(vm: VirtualMachine, host: VMHost, cluster: ClusterView): Refusal | undefined {
  const name = host.metadata.name;
  const room = roomOn(host, cluster, vm);
  const memoryBytes = parseMemory(vm.spec.memory);
  if (vm.spec.cpus <= room.cpus && memoryBytes <= room.memoryBytes) return undefined;
  const free = `${Math.max(0, room.cpus)} CPUs and ${formatMemory(Math.max(0, room.memoryBytes))}`;
  const message = `${name} has ${free} free, ${vm.spec.cpus} CPUs and ${vm.spec.memory} are needed`;
  return { reason: reasons.HostFull, message, short: `${free} free` };
}

export interface Room {
  cpus: number;
  memoryBytes: number;
}

/**
 * What is free on a host without the given VM: its capacity less what VMs take there by status and what the agent says
 * is taken, whichever is more. Either may lag behind the other.
 */
export function roomOn(host: VMHost, cluster: ClusterView, without: VirtualMachine): Room {
  const capacity = capacityOf(host);
  const others = cluster.virtualMachines.filter((vm) => vm.metadata.uid !== without.metadata.uid);
  const claims = others.filter((vm) => occupies(vm, host.metadata.name, cluster));
  const claimed = {
    cpus: claims.reduce((sum, vm) => sum + vm.spec.cpus, 0),
    memoryBytes: claims.reduce((sum, vm) => sum + parseMemory(vm.spec.memory), 0),
  };
  const isThere = (host.status?.virtualMachines ?? []).some((guest) => guest.uid === without.metadata.uid);
  const own = isThere ? { cpus: without.spec.cpus, memoryBytes: parseMemory(without.spec.memory) } : noRoom;
  const allocated = host.status?.allocated;
  const said = {
    cpus: (allocated?.cpus ?? 0) - own.cpus,
    memoryBytes: memoryOf(allocated?.memory) - own.memoryBytes,
  };
  return {
    cpus: capacity.cpus - Math.max(claimed.cpus, said.cpus),
    memoryBytes: capacity.memoryBytes - Math.max(claimed.memoryBytes, said.memoryBytes),
  };
}

const noRoom: Room = { cpus: 0, memoryBytes: 0 };

export function capacityOf(host: VMHost): Room {
  const capacity = host.status?.capacity;
  return { cpus: capacity?.cpus ?? 0, memoryBytes: memoryOf(capacity?.memory) };
}

/** `0Mi` is a size in a status, though no size in a spec. */
function memoryOf(text: string | undefined): number {
  return text === undefined || text === "0Mi" ? 0 : parseMemory(text);
}

/** The VM takes up room on the host: it is there, may start there, or is on its way there. A stopped one needs none. */
function occupies(vm: VirtualMachine, hostName: string, cluster: Pick<ClusterView, "assumed">): boolean {
  const { status } = vm;
  if (vm.spec.powerState === "Stopped" && !status?.migration) return false;
  if (cluster.assumed.get(vm.metadata.uid ?? "") === hostName) return true;
  if (status?.migration) return status.migration.from === hostName || status.migration.to === hostName;
  return status?.hostName === hostName || status?.grant?.hostName === hostName;
}
