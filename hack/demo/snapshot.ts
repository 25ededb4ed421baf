import {
  type Reservation,
  reservations,
  type VirtualMachine,
  type VMHost,
  virtualMachines,
  vmHosts,
} from "../../src/api/resources.ts";
import type { Client } from "../../src/runtime/client.ts";

/** All that the demo shows, read at one moment. */
export interface Snapshot {
  now: Date;
  hosts: VMHost[];
  virtualMachines: VirtualMachine[];
  reservation: Reservation | undefined;
}

export async function takeSnapshot(client: Client, signal: AbortSignal): Promise<Snapshot> {
  const [hosts, vms, reserved] = await Promise.all([
    client.list(vmHosts, { signal }),
    client.list(virtualMachines, { signal }),
    client.list(reservations, { signal }),
  ]);
  return { now: new Date(), hosts: hosts.items, virtualMachines: vms.items, reservation: reserved.items[0] };
}

/** Status of a condition, or undefined while nobody has said anything. */
export function conditionStatus(object: VMHost | VirtualMachine | Reservation, type: string): string | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type)?.status;
}
