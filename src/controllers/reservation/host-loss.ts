import { vmHostConditions } from "../../api/conditions.ts";
import type { VMHost } from "../../api/resources.ts";
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
    const isUrgent = now.getTime() >= startBy - toleratedSilenceMilliseconds;
    if (isLong || isUrgent)
      return { name, why: `is not ready since ${since} (${ready?.reason ?? "unknown"})`, isDead: true };
  }
  return host.spec.unschedulable ? { name, why: "is unschedulable", isDead: false } : undefined;
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
