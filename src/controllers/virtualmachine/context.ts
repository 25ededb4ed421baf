import type { Clock } from "../../api/clock.ts";
import type { OverheadModel, Reservation, VirtualMachine, VMHost } from "../../api/resources.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { CacheReader } from "../../runtime/cache.ts";
import type { Client } from "../../runtime/client.ts";
import type { EventRecorder } from "../../runtime/event-recorder.ts";
import type { Hosts } from "../hosts.ts";

/** Keeps a deleted VirtualMachine until its guest is proven to be gone. */
export const virtualMachineFinalizer = "vacate.dev/guest";

/** What the virtualmachine controller works with. */
export interface VirtualMachineDependencies {
  client: Client;
  virtualMachines: CacheReader<VirtualMachine>;
  vmHosts: CacheReader<VMHost>;
  reservations: CacheReader<Reservation>;
  overheadModels: CacheReader<OverheadModel>;
  hosts: Hosts;
  events: EventRecorder;
  metrics: Metrics;
  clock: Clock;
  /** This operator's term, with which agents tell it from an older one. */
  term: number;
  /** A new unique id. */
  newId: () => string;
}
