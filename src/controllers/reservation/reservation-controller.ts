import { reservations, type VMHost } from "../../api/resources.ts";
import type { HostAgents } from "../../hosts/host-agents.ts";
import type { CacheReader } from "../../runtime/cache.ts";
import type { ControllerOptions, KeyedController } from "../../runtime/controller.ts";
import { createReservationReconciler, type ReservationDependencies } from "./reconciler.ts";
import { reservationsHolding, reservationWatches } from "./watches.ts";

/** How the reservation controller is run. One worker: reservations compete for the same hosts. */
export function reservationController(dependencies: ReservationDependencies): ControllerOptions {
  return {
    name: "reservation",
    resource: reservations,
    workers: 1,
    reconcile: createReservationReconciler(dependencies),
    watches: reservationWatches(dependencies.reservations),
  };
}

/** Looks at a reservation as soon as an agent of its hosts has news. Returns the function that ends it. */
export function listenToAgents(
  agents: Pick<HostAgents, "onEvent" | "onConnectionChange">,
  hosts: CacheReader<VMHost>,
  controller: KeyedController,
): () => void {
  const enqueue = (hostName: string) => {
    for (const key of reservationsHolding(hosts.get({ name: hostName }))) controller.enqueue(key);
  };
  const ends = [
    agents.onEvent((hostName, event) => {
      if (event.type === "Hello" || event.type === "GuestChanged" || event.type === "HostChanged") enqueue(hostName);
    }),
    agents.onConnectionChange(enqueue),
  ];
  return () => {
    for (const end of ends) end();
  };
}
