import { vmHostConditions } from "../../api/conditions.ts";
import { parseMemory } from "../../api/quantity.ts";
import type { Reservation, VirtualMachine, VMHost } from "../../api/resources.ts";
import { wantedHost } from "../../api/wanted-host.ts";
import type { Cluster, PlannerGuest, PlannerHost, ReservationRequest } from "../../planner/inputs.ts";
import { isTrue } from "../../runtime/condition.ts";
import { invalidName } from "../name-rule.ts";
import { invalidSelector } from "../selector-rule.ts";
import { heldHostNames, holdingReservations, type ReservationView } from "./view.ts";
import { windowOf } from "./window.ts";

const defaultLinkMegabits = 1000;
const bytesPerMegabit = 125_000;

/**
 * What the reservation asks for, in the planner's words. Checks again what the schema checks: a server without CEL
 * lets more through.
 * @throws RangeError naming the field, its value and what would be right
 */
export function requestOf(view: Pick<ReservationView, "reservation" | "hosts" | "now">): ReservationRequest {
  const { metadata, spec, status } = view.reservation;
  const { hosts } = spec;
  const { start, end } = windowOf(view);
  if (!Number.isInteger(hosts.count) || hosts.count < 1) {
    throw new RangeError(`spec.hosts.count ${hosts.count} is not 1 or more`);
  }
  const invalid =
    invalidName(view.reservation) ??
    invalidSelector("spec.hosts.selector", hosts.selector) ??
    invalidSelector("spec.guests.selector", spec.guests?.selector);
  if (invalid !== undefined) throw new RangeError(invalid);
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    count: hosts.count,
    selector: hosts.selector ?? {},
    minCpus: hosts.minCpus ?? 0,
    minMemoryBytes: hosts.minMemory === undefined ? 0 : parseMemory(hosts.minMemory),
    windowStart: start,
    windowEnd: end,
    guests: spec.guests === undefined ? undefined : (spec.guests.selector ?? {}),
    onTimeTarget: parseShare(spec.onTimeTarget ?? "99%"),
    parallelMigrations: spec.parallelMigrations,
    presentParallelMigrations: status?.plan?.parallelMigrations,
    returnsAfterwards: (spec.afterwards ?? "Return") === "Return",
    heldHosts: heldHostNames(view),
  };
}

function parseShare(text: string): number {
  const match = /^([5-9][0-9](?:\.[0-9]{1,2})?)%$/.exec(text);
  if (!match) throw new RangeError(`spec.onTimeTarget ${JSON.stringify(text)} is not between 50% and 99.99%`);
  return Number(match[1]) / 100;
}

/** The cluster in the planner's words, without this reservation's own holds. */
export function clusterOf(view: ReservationView): Cluster {
  const models = new Map(view.models.map((model) => [model.metadata.name, model.status]));
  const uid = view.reservation.metadata.uid;
  const hosts = view.hosts.map(
    (host): PlannerHost => ({
      name: host.metadata.name,
      labels: host.metadata.labels ?? {},
      ...capacityOf(host),
      isReady: isTrue(host.status?.conditions, vmHostConditions.Ready),
      isUnschedulable: host.spec.unschedulable ?? false,
      reservableFrom: host.spec.reservableFrom,
      linkBytesPerSecond: (host.spec.linkMegabitsPerSecond ?? defaultLinkMegabits) * bytesPerMegabit,
      model: models.get(host.spec.overheadModelName ?? "default"),
      holds: (host.status?.holds ?? [])
        .filter((hold) => hold.reservation.uid !== uid)
        .map((hold) => ({
          reservation: `${hold.reservation.namespace}/${hold.reservation.name}`,
          start: new Date(hold.start),
          end: new Date(hold.end),
          closedFrom: new Date(Math.min(Date.parse(hold.closedFrom ?? hold.start), Date.parse(hold.start))),
        })),
    }),
  );
  return { now: view.now, hosts, guests: guestsOf(view) };
}

function capacityOf(host: VMHost): { cpus: number; memoryBytes: number } {
  const { cpus = 0, memory } = host.status?.capacity ?? {};
  return { cpus, memoryBytes: memory === undefined || memory.startsWith("0") ? 0 : parseMemory(memory) };
}

function guestsOf(view: ReservationView): PlannerGuest[] {
  const holding = holdingReservations(view.hosts);
  const planned = plannedElsewhere(view);
  const stateBytes = liveStateBytes(view);
  return view.virtualMachines
    .filter((vm) => vm.spec.powerState !== "Stopped")
    .map((vm): PlannerGuest => {
      const { metadata, spec, status } = vm;
      const uid = metadata.uid ?? "";
      const memoryBytes = parseMemory(spec.memory);
      const claims = [
        status?.hostName,
        status?.grant?.hostName,
        status?.migration?.from,
        status?.migration?.to,
        wantedHost(vm, holding),
        planned.get(uid),
      ];
      return {
        uid,
        namespace: metadata.namespace ?? "",
        name: metadata.name,
        labels: metadata.labels ?? {},
        cpus: spec.cpus,
        memoryBytes,
        stateBytes: stateBytes.get(uid) ?? lastStateBytes(vm) ?? memoryBytes,
        hostName: canMove(vm) ? (status?.migration?.to ?? status?.hostName) : undefined,
        occupies: new Set(claims.filter((claim) => claim !== undefined)),
        leaving: leavingHost(vm, view),
        homeName: spec.hostName,
        hostSelector: spec.placement?.hostSelector ?? {},
        apartFrom: spec.placement?.apartFrom,
        isMovable: (spec.migration?.policy ?? "Allowed") === "Allowed",
      };
    });
}

/** The host that the VM will leave: it is on its way, or this reservation has told it to go. */
function leavingHost({ status }: VirtualMachine, { reservation }: ReservationView): string | undefined {
  if (status?.migration) return status.migration.from;
  const isTold = status?.assignment?.by.uid === reservation.metadata.uid;
  return isTold && status?.assignment?.hostName !== status?.hostName ? status?.hostName : undefined;
}

/** A guest that is being deleted, is down or has crashed has no state to move; it is gone or a mere disk soon. */
function canMove(vm: VirtualMachine): boolean {
  return vm.metadata.deletionTimestamp === undefined && !["Stopped", "Crashed"].includes(vm.status?.phase ?? "");
}

/** Where the plans of other reservations send VMs while this one's window lasts, by VM uid. */
function plannedElsewhere(view: ReservationView): Map<string, string> {
  const { reservation, reservations } = view;
  const others = reservations.filter(
    (other) => other.metadata.uid !== reservation.metadata.uid && !isTrue(other.status?.conditions, "Completed"),
  );
  const { start, end } = windowOf(view);
  const overlapping = others.filter(({ status }) => {
    if (!status?.window || !status.admittedAt) return false;
    return new Date(status.window.start) < end && start < new Date(status.window.end);
  });
  return new Map(overlapping.flatMap(({ status }) => (status?.plan?.moves ?? []).map((move) => [move.uid, move.to])));
}

function liveStateBytes({ inventories }: ReservationView): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const inventory of inventories.values()) {
    if ("unavailable" in inventory) continue;
    for (const { uid, stateBytes } of inventory.guests) if (stateBytes !== undefined) sizes.set(uid, stateBytes);
  }
  return sizes;
}

function lastStateBytes(vm: VirtualMachine): number | undefined {
  return vm.status?.migrations?.find(({ stateBytes }) => stateBytes !== undefined)?.stateBytes;
}

/** Whether the first reservation is the older one, and so wins: by creation, then by uid. */
export function isOlder(a: Reservation, b: Reservation): boolean {
  const difference = Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "");
  return difference < 0 || (difference === 0 && (a.metadata.uid ?? "") < (b.metadata.uid ?? ""));
}
