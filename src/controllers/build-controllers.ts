import { randomUUID } from "node:crypto";
import type { Clock } from "../api/clock.ts";
import { overheadModels, reservations, secrets, virtualMachines, vmHosts } from "../api/resources.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Client } from "../runtime/client.ts";
import type { Manager } from "../runtime/manager.ts";
import type { Hosts } from "./hosts.ts";
import { overheadModelController } from "./overheadmodel/overheadmodel-controller.ts";
import { listenToAgents, reservationController } from "./reservation/reservation-controller.ts";
import type { StartRule } from "./reservation/view.ts";
import { VirtualMachineController } from "./virtualmachine/virtualmachine-controller.ts";
import { VMHostController } from "./vmhost/vmhost-controller.ts";

export interface ControllersOptions {
  /** Not started yet; has the caches, runs the controllers and writes their events. */
  manager: Manager;
  client: Client;
  /** Connects to hosts as the vmhost controller says. Whoever made it closes it. */
  hosts: Hosts;
  clock: Clock;
  metrics: Metrics;
  /** The operator's own namespace: hosts' identities are read from there only. */
  namespace: string;
  /** By `takeOperatorTerm`. */
  term: number;
  /** Names migrations; random when absent. */
  newId?: () => string;
  /** When reservations begin to vacate; absent: as late as their on-time targets allow. */
  startRule?: StartRule;
}

/** Adds every controller to the manager. The one place that knows them all. */
export function buildControllers(options: ControllersOptions): void {
  const { manager, client, hosts, clock, metrics, namespace, term, newId = randomUUID, startRule } = options;
  const events = manager.events;
  const caches = {
    vmHosts: manager.cache(vmHosts),
    virtualMachines: manager.cache(virtualMachines),
    reservations: manager.cache(reservations),
    overheadModels: manager.cache(overheadModels),
  };
  const vmHostController = new VMHostController({
    ...caches,
    ...{ client, hosts, events, metrics, clock, term },
    secrets: manager.cache(secrets),
    operatorNamespace: namespace,
  });
  const virtualMachineController = new VirtualMachineController({
    ...caches,
    ...{ client, hosts, events, metrics, clock, term },
    newId,
  });
  vmHostController.listen(manager.addController(vmHostController.options()));
  virtualMachineController.listen(manager.addController(virtualMachineController.options()));
  const reservation = reservationController({
    ...{ client, clock, metrics },
    ...(startRule && { startRule }),
    reservations: caches.reservations,
    hosts: caches.vmHosts,
    virtualMachines: caches.virtualMachines,
    models: caches.overheadModels,
    agents: hosts,
    recorder: events,
  });
  listenToAgents(hosts, caches.vmHosts, manager.addController(reservation));
  const overheadModel = overheadModelController({
    ...{ client, clock, metrics },
    models: caches.overheadModels,
    hosts: caches.vmHosts,
    virtualMachines: caches.virtualMachines,
  });
  manager.addController(overheadModel);
}
