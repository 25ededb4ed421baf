import { isDeepStrictEqual } from "node:util";
import { keyOf, type ObjectKey } from "../../api/object.ts";
import {
  overheadModels,
  type Reservation,
  reservations as reservationResource,
  type VirtualMachine,
  type VMHost,
  virtualMachines,
  vmHosts,
} from "../../api/resources.ts";
import type { CacheReader } from "../../runtime/cache.ts";
import { isTrue } from "../../runtime/condition.ts";
import { type SecondaryWatch, watches } from "../../runtime/controller.ts";

/** Everything besides the reservation itself that its plan depends on. */
export function reservationWatches(reservations: CacheReader<Reservation>): SecondaryWatch[] {
  const open = () => openReservations(reservations);
  return [
    watches(virtualMachines, (vm, before) =>
      before && isAlike(planningFacts(vm), planningFacts(before)) ? [] : open(),
    ),
    watches(vmHosts, (host, before) => (before && isAlike(hostFacts(host), hostFacts(before)) ? [] : open())),
    watches(overheadModels, open),
    // A reservation that changes or goes may make room for another one.
    watches(reservationResource, (changed, before) =>
      before && changed.metadata.generation === before.metadata.generation && isSettled(changed) === isSettled(before)
        ? []
        : open().filter(
            ({ name, namespace }) => name !== changed.metadata.name || namespace !== changed.metadata.namespace,
          ),
    ),
  ];
}

/** The reservations to reconcile when an agent reports something about its host: those that hold it. */
export function reservationsHolding(host: VMHost | undefined): ObjectKey[] {
  return (host?.status?.holds ?? []).map(({ reservation: { namespace, name } }) => ({ namespace, name }));
}

function openReservations(reservations: CacheReader<Reservation>): ObjectKey[] {
  return reservations
    .list()
    .filter(
      ({ status, metadata }) => !isTrue(status?.conditions, "Completed") || metadata.deletionTimestamp !== undefined,
    )
    .map(keyOf);
}

function isSettled({ status, metadata }: Reservation): boolean {
  return status?.conditions !== undefined && metadata.deletionTimestamp === undefined;
}

/** Not the progress of a migration, which changes every second. */
function planningFacts({ metadata, spec, status }: VirtualMachine): unknown {
  const placed = status?.conditions?.find(({ type }) => type === "Placed");
  return [
    metadata.uid,
    metadata.labels,
    metadata.deletionTimestamp,
    spec,
    status?.phase === "Stopped" || status?.phase === "Crashed",
    status?.hostName,
    status?.assignment,
    status?.migration?.id,
    status?.migrations?.[0]?.id,
    [placed?.status, placed?.reason],
  ];
}

/** Not what is allocated, which follows from the VMs. */
function hostFacts({ metadata, spec, status }: VMHost): unknown {
  return [metadata.labels, spec, status?.capacity, status?.holds, isTrue(status?.conditions, "Ready")];
}

function isAlike(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b);
}
