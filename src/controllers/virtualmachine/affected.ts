import { virtualMachineConditions } from "../../api/conditions.ts";
import { keyOf, type ObjectKey } from "../../api/object.ts";
import type { VirtualMachine, VMHost } from "../../api/resources.ts";
import type { CacheReader } from "../../runtime/cache.ts";
import { isTrue } from "../../runtime/condition.ts";
import { byUid } from "../uid-index.ts";

/** Name of the index of VMs that are being moved, and its only value. */
export const byMigrating = "migrating";
export const isMigrating = "yes";
export const migratingOf = (vm: VirtualMachine) => (vm.status?.migration ? isMigrating : undefined);

/** Whose uid this is; agents know VMs by uid only. */
export function keysOfUid(virtualMachines: CacheReader<VirtualMachine>, uid: string): ObjectKey[] {
  return virtualMachines.byIndex(byUid, uid).map(keyOf);
}

/**
 * VMs that news of a host may concern: those that are there, are to come there or are listed there, those that a
 * reservation which holds or held it has displaced, and those that wait for a host.
 */
export function affectedByHost(
  virtualMachines: CacheReader<VirtualMachine>,
  host: VMHost,
  before: VMHost | undefined = undefined,
): ObjectKey[] {
  const name = host.metadata.name;
  const listed = new Set((host.status?.virtualMachines ?? []).map((guest) => guest.uid));
  const holders = new Set(
    [...(host.status?.holds ?? []), ...(before?.status?.holds ?? [])].map((hold) => hold.reservation.uid),
  );
  const isAffected = (vm: VirtualMachine) =>
    isBoundTo(vm, name) ||
    listed.has(vm.metadata.uid ?? "") ||
    holders.has(vm.status?.assignment?.by.uid ?? "") ||
    !isTrue(vm.status?.conditions, virtualMachineConditions.Placed);
  return virtualMachines.list().filter(isAffected).map(keyOf);
}

function isBoundTo(vm: VirtualMachine, hostName: string): boolean {
  const { status } = vm;
  const names = [status?.hostName, status?.grant?.hostName, status?.migration?.from, status?.migration?.to];
  return names.includes(hostName);
}
