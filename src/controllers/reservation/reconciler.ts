import type { Clock } from "../../api/clock.ts";
import { keyOf } from "../../api/object.ts";
import {
  type OverheadModel,
  type Reservation,
  reservations as reservationResource,
  type VirtualMachine,
  type VMHost,
} from "../../api/resources.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { CacheReader } from "../../runtime/cache.ts";
import type { Client } from "../../runtime/client.ts";
import { isTrue } from "../../runtime/condition.ts";
import type { EventRecorder } from "../../runtime/event-recorder.ts";
import { ensureFinalizer, removeFinalizer } from "../../runtime/finalizer.ts";
import type { ReconcileContext, ReconcileResult, Reconciler } from "../../runtime/reconciler.ts";
import { patchStatus } from "../../runtime/status-patch.ts";
import { assign, HostTakenError, writeHold } from "./act.ts";
import { decide } from "./decide.ts";
import { announcements, type Decision } from "./decision.ts";
import { type AgentDirectory, readInventories } from "./inventories.ts";
import { heldHostNames, type ReservationView, type StartRule } from "./view.ts";

const reservationFinalizer = "vacate.dev/reservation";

export interface ReservationDependencies {
  client: Client;
  reservations: CacheReader<Reservation>;
  hosts: CacheReader<VMHost>;
  virtualMachines: CacheReader<VirtualMachine>;
  models: CacheReader<OverheadModel>;
  agents: AgentDirectory;
  clock: Clock;
  recorder: EventRecorder;
  metrics: Pick<Metrics, "reservationLeadSeconds" | "reservations">;
  /** Absent: as late as the on-time target allows. */
  startRule?: StartRule;
}

/** Brings a reservation one step further: reads, decides, acts, and writes its status once. */
export function createReservationReconciler(dependencies: ReservationDependencies): Reconciler {
  const { client, reservations, clock, recorder } = dependencies;
  return async (key, context) => {
    const reservation = reservations.get(key);
    if (!reservation) return {};
    const view = await readView(dependencies, reservation, context.signal);
    const decision = decide(view);
    const isLast = decision.actions.some((action) => action.do === "RemoveFinalizer");
    try {
      const marked = await withFinalizer(client, reservation, decision, context.signal);
      await act(dependencies, view, decision, context);
      if (isLast && reservation.metadata.deletionTimestamp !== undefined) {
        await removeFinalizer(client, reservationResource, marked, reservationFinalizer, { signal: context.signal });
        return {};
      }
      const after = await patchStatus(client, reservationResource, marked, decision.status, context);
      for (const { type, reason, message } of [
        ...(decision.announcements ?? []),
        ...announcements(reservation.status, decision.status),
      ]) {
        recorder.record(reservation, type, reason, message);
      }
      count(dependencies.metrics, reservation.status, decision.status);
      if (isLast) {
        await removeFinalizer(client, reservationResource, after, reservationFinalizer, { signal: context.signal });
      }
      return resultOf(decision);
    } catch (error) {
      if (!(error instanceof HostTakenError)) throw error;
      context.log.info({ err: error, at: clock.now() }, "another reservation took a host");
      return { requeueAfterSeconds: 0.2 };
    }
  };
}

async function readView(
  dependencies: ReservationDependencies,
  reservation: Reservation,
  signal: AbortSignal,
): Promise<ReservationView> {
  const hosts = dependencies.hosts.list();
  const held = heldHostNames({ hosts, reservation });
  const asked = isTrue(reservation.status?.conditions, "Admitted") ? held : hosts.map(({ metadata }) => metadata.name);
  const needsAgents =
    reservation.metadata.deletionTimestamp === undefined && !isTrue(reservation.status?.conditions, "Completed");
  const inventories = needsAgents
    ? await readInventories(dependencies.agents, reservation, asked, signal)
    : new Map<string, never>();
  return {
    // After the agents have answered, which may have taken a while.
    now: dependencies.clock.now(),
    reservation,
    hosts,
    virtualMachines: dependencies.virtualMachines.list(),
    models: dependencies.models.list(),
    reservations: dependencies.reservations.list(),
    ...(dependencies.startRule && { startRule: dependencies.startRule }),
    inventories,
  };
}

/** Before the first hold: whoever deletes the reservation from then on waits until it is released. */
async function withFinalizer(
  client: Client,
  reservation: Reservation,
  { actions }: Decision,
  signal: AbortSignal,
): Promise<Reservation> {
  if (reservation.metadata.deletionTimestamp !== undefined || !actions.some((action) => action.do === "Hold")) {
    return reservation;
  }
  return ensureFinalizer(client, reservationResource, reservation, reservationFinalizer, { signal });
}

async function act(
  { client }: ReservationDependencies,
  { reservation }: ReservationView,
  { actions }: Decision,
  { signal, log }: ReconcileContext,
): Promise<void> {
  for (const action of actions) {
    switch (action.do) {
      case "Hold":
      case "Release":
        log.info({ host: action.hostName, action: action.do }, "writing a host's holds");
        await writeHold(client, reservation, action, signal);
        break;
      case "Assign":
        log.info({ vm: keyOf(action.vm), to: action.assignment?.hostName }, "assigning a VM");
        await assign(client, action, signal);
        break;
    }
  }
}

/** Counts a window once: when it opens, or when it ends without having been free at all. */
function count(
  metrics: ReservationDependencies["metrics"],
  before: Reservation["status"],
  after: NonNullable<Reservation["status"]>,
): void {
  const opened = !isTrue(before?.conditions, "Active") && isTrue(after.conditions, "Active");
  if (opened && after.outcome?.result !== undefined) {
    const { result, leadMilliseconds } = after.outcome;
    metrics.reservations.inc({ result });
    if (leadMilliseconds !== undefined) metrics.reservationLeadSeconds.observe(leadMilliseconds / 1000);
  }
  const [past] = after.windows ?? [];
  const isNew = past !== undefined && past.number !== before?.windows?.[0]?.number;
  if (isNew && past.leadMilliseconds === undefined) metrics.reservations.inc({ result: past.result });
}

function resultOf({ requeueAfterSeconds }: Decision): ReconcileResult {
  return requeueAfterSeconds === undefined ? {} : { requeueAfterSeconds };
}
