import { vmHostConditions } from "../../api/conditions.ts";
import type { Reservation, VMHost } from "../../api/resources.ts";
import { type Admission, admit } from "../../planner/admission.ts";
import type { Cluster, ReservationRequest } from "../../planner/inputs.ts";
import { findCondition } from "../../runtime/condition.ts";
import { ownHold, type ReservationView } from "./view.ts";

/** A restarted agent or a link that was down for a moment is no reason for another host. */
const toleratedSilenceMilliseconds = 60_000;

export interface LostHost {
  name: string;
  /** In a few words. */
  why: string;
  /** Cordoned hosts can be vacated still. */
  isDead: boolean;
}

/** Held hosts that should be replaced before the window, when there are others. */
export function lostHosts(view: ReservationView): LostHost[] {
  return view.hosts.filter((host) => ownHold(host, view.reservation)).flatMap((host) => lossOf(host, view) ?? []);
}

function lossOf(host: VMHost, { reservation, now }: ReservationView): LostHost | undefined {
  const { name } = host.metadata;
  const ready = findCondition(host.status?.conditions, vmHostConditions.Ready);
  if (ready?.status !== "True") {
    const since = ready?.lastTransitionTime ?? host.metadata.creationTimestamp ?? "";
    const startBy = Date.parse(reservation.status?.startBy ?? "");
    const isLong = now.getTime() - Date.parse(since) >= toleratedSilenceMilliseconds;
    // Once VMs move, every replacement costs more of them a move.
    const isUrgent = !isVacating(reservation) && now.getTime() >= startBy - toleratedSilenceMilliseconds;
    if (isLong || isUrgent)
      return { name, why: `is not ready since ${since} (${ready?.reason ?? "unknown"})`, isDead: true };
  }
  return host.spec.unschedulable ? { name, why: "is unschedulable", isDead: false } : undefined;
}

function isVacating({ status }: Reservation): boolean {
  return status?.vacatingSince !== undefined;
}

/** What a host that died while it was being vacated is replaced by. */
export interface Replacement {
  /** All hosts, from now on. */
  hosts: string[];
  dropped: LostHost[];
}

/** Other hosts for those that died before the window; undefined when none did or there are no others. */
export function replaceDead(
  view: ReservationView,
  request: ReservationRequest,
  cluster: Cluster,
): Replacement | undefined {
  if (view.now >= request.windowStart) return undefined;
  const dropped = lostHosts(view).filter(({ isDead }) => isDead);
  const plan = dropped.length > 0 ? admitWithout(dropped, request, cluster) : undefined;
  return plan && { hosts: plan.hosts, dropped };
}

/** Admission by hosts that can be relied on; undefined when those are not enough. */
export function admitWithout(
  lost: readonly LostHost[],
  request: ReservationRequest,
  cluster: Cluster,
  mayHaveBegun = true,
): Admission["plan"] | undefined {
  const isLost = (name: string) => lost.some((host) => host.name === name);
  const hosts = cluster.hosts.map((host) => ({
    ...host,
    isReady: host.isReady && !host.isUnschedulable && !isLost(host.name),
  }));
  const heldHosts = request.heldHosts.filter((name) => !isLost(name));
  return admit({ ...request, heldHosts }, { ...cluster, hosts }, mayHaveBegun).plan;
}
