import { systemClock } from "../api/clock.ts";
import { vmHostConditions } from "../api/conditions.ts";
import { formatKey, type KubernetesObject } from "../api/object.ts";
import {
  type OverheadModel,
  overheadModels,
  type Reservation,
  type Resource,
  reservations,
  type VirtualMachine,
  type VMHost,
  virtualMachines,
  vmHosts,
} from "../api/resources.ts";
import { createMetrics } from "../metrics/metrics.ts";
import type { Client } from "../runtime/client.ts";
import { HttpClient } from "../runtime/http-client.ts";
import { loadConnection } from "../runtime/kube-config.ts";
import { UsageError } from "./usage.ts";

/** Everything that a plan depends on. */
export interface ClusterObjects {
  hosts: VMHost[];
  virtualMachines: VirtualMachine[];
  models: OverheadModel[];
  reservations: Reservation[];
}

const pageSize = 500;

/** Lists the running cluster's objects; nothing else is asked of it. */
export async function listCluster(kubeconfigPath: string | undefined, signal: AbortSignal): Promise<ClusterObjects> {
  const connection = await loadConnection(kubeconfigPath === undefined ? {} : { path: kubeconfigPath });
  const client = new HttpClient({ connection, clock: systemClock, metrics: createMetrics() });
  try {
    return {
      hosts: await listAll(client, vmHosts, signal),
      virtualMachines: await listAll(client, virtualMachines, signal),
      models: await listAll(client, overheadModels, signal),
      reservations: await listAll(client, reservations, signal),
    };
  } finally {
    await client.close();
  }
}

async function listAll<T extends KubernetesObject>(
  client: Client,
  resource: Resource<T>,
  signal: AbortSignal,
): Promise<T[]> {
  const items: T[] = [];
  let continueToken: string | undefined;
  do {
    const page = await client.list(resource, { signal, limit: pageSize, ...(continueToken && { continueToken }) });
    items.push(...page.items);
    continueToken = page.continueToken;
  } while (continueToken !== undefined);
  return items;
}

/**
 * A cluster out of manifests. People write what they know: a host without conditions counts as ready, a VM without
 * status runs at its home, and names stand in for missing uids.
 * @throws UsageError when two objects have one name, or a host lacks its capacity
 */
export function clusterFromManifests(source: string, objects: readonly KubernetesObject[]): ClusterObjects {
  const seen = new Set<string>();
  for (const { kind, metadata } of objects) {
    const name = `${kind} ${formatKey(metadata)}`;
    if (seen.has(name)) throw new UsageError(`${source}: ${name} is there twice`);
    seen.add(name);
  }
  const ofKind = <T extends KubernetesObject>(kind: T["kind"]) =>
    objects.filter((object) => object.kind === kind).map((object) => withUid(object) as T);
  return {
    hosts: ofKind<VMHost>("VMHost").map((host) => assumedReady(source, host)),
    virtualMachines: ofKind<VirtualMachine>("VirtualMachine").map(assumedAtHome),
    models: ofKind<OverheadModel>("OverheadModel"),
    reservations: ofKind<Reservation>("Reservation"),
  };
}

function withUid(object: KubernetesObject): KubernetesObject {
  const uid = object.metadata.uid ?? `${object.kind}/${formatKey(object.metadata)}`;
  return { ...object, metadata: { ...object.metadata, uid } };
}

function assumedReady(source: string, host: VMHost): VMHost {
  const { cpus, memory } = host.status?.capacity ?? {};
  if (cpus === undefined || memory === undefined) {
    const wanted = "status.capacity is missing; write what the host has for VMs, such as {cpus: 16, memory: 64Gi}";
    throw new UsageError(`${source}: VMHost ${host.metadata.name}: ${wanted}`);
  }
  if (host.status?.conditions) return host;
  const ready = { type: vmHostConditions.Ready, status: "True" as const, reason: "Assumed", message: "" };
  return {
    ...host,
    status: { ...host.status, conditions: [{ ...ready, lastTransitionTime: "1970-01-01T00:00:00Z" }] },
  };
}

function assumedAtHome(vm: VirtualMachine): VirtualMachine {
  if (vm.status?.hostName !== undefined || vm.spec.hostName === undefined) return vm;
  return { ...vm, status: { ...vm.status, hostName: vm.spec.hostName } };
}
