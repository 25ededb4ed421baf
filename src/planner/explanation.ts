import { indexOf } from "./cluster-index.ts";
import { type RankedHost, rankHosts, tryHosts } from "./host-choice.ts";
import { describeHold, hostObstacle, overlappingHolds } from "./host-obstacle.ts";
import { type Cluster, guestName, type PlannerHost, type ReservationRequest } from "./inputs.ts";
import type { Plan } from "./plan.ts";
import { describeObstacle, Room } from "./room.ts";

/** Why a plan is as it is. Everything is said so that it can be shown as it stands. */
export interface Explanation {
  /** Every host: those chosen first, then by what it would have cost, then those that are out of the question. */
  hosts: HostExplanation[];
  /** Every move, in the plan's order. */
  targets: TargetExplanation[];
  /** Every degree of parallelism that was looked at. */
  parallelism: ParallelismExplanation[];
}

interface HostExplanation {
  host: string;
  isChosen: boolean;
  /** VMs that leave, or would have to. Absent where the host is out of the question. */
  displaced?: number;
  /** Predicted seconds of their migrations to the fastest targets. Absent where the host is out of the question. */
  seconds?: number;
  /** Follows the host's name, such as `is not ready`. */
  reason: string;
}

interface TargetExplanation {
  /** `namespace/name`. */
  vm: string;
  to: string;
  /** Predicted seconds of the migration. */
  seconds: number;
  /** Follows the target's name, such as `is its home`. */
  reason: string;
  /** What would have been next, and what its home was, if that is not where it goes. */
  others: { host: string; seconds: number; reason: string }[];
}

interface ParallelismExplanation {
  parallelMigrations: number;
  isChosen: boolean;
  /** Expected duration, and what has to be set aside for it at the wanted probability. */
  seconds: number;
  allowanceSeconds: number;
  /** Of being on time when vacating began now, 0 to 1. */
  onTimeProbability: number;
}

/** Hosts that cost less than one that was chosen: for so many it is found out why. */
const mostInvestigated = 10;
/** Other targets named for each VM, besides its home. */
const mostOthers = 2;

/** Explains a plan by the same request and cluster that it was made of. */
export function explainPlan(request: ReservationRequest, cluster: Cluster, plan: Plan): Explanation {
  return {
    hosts: explainHosts(request, cluster, plan),
    targets: explainTargets(cluster, plan),
    parallelism: plan.parallelChoices.map((choice) => ({
      parallelMigrations: choice.parallelMigrations,
      isChosen: choice.parallelMigrations === plan.parallelMigrations,
      seconds: choice.duration.meanSeconds,
      allowanceSeconds: choice.allowanceSeconds,
      onTimeProbability: choice.onTimeProbability,
    })),
  };
}

function explainHosts(request: ReservationRequest, cluster: Cluster, plan: Plan): HostExplanation[] {
  const out: HostExplanation[] = [];
  const available = cluster.hosts.filter((host) => {
    const [hold] = overlappingHolds(host, request);
    const obstacle = hostObstacle(host, request, cluster) ?? (hold && describeHold(hold));
    if (obstacle === undefined || plan.hosts.includes(host.name)) return true;
    out.push({ host: host.name, isChosen: false, reason: obstacle });
    return false;
  });
  const ranked = rankHosts(request, cluster, available);
  const chosen = ranked.filter(({ host }) => plan.hosts.includes(host.name));
  const passed = ranked.filter(({ host }) => !plan.hosts.includes(host.name));
  const dearest = chosen.reduce<RankedHost | undefined>(
    (most, one) => (most && most.cost >= one.cost ? most : one),
    undefined,
  );
  let investigated = 0;
  return [
    ...chosen.map((one) => ({ ...facts(one), isChosen: true, reason: whyChosen(request, one) })),
    ...passed.map((one) => {
      const isCheaper = dearest !== undefined && one.cost < dearest.cost && investigated++ < mostInvestigated;
      const reason = isCheaper ? whyNot(request, cluster, plan, dearest.host, one) : "costs more than those chosen";
      return { ...facts(one), isChosen: false, reason };
    }),
    ...out,
  ];
}

function facts({ host, seconds, displaced }: RankedHost) {
  return { host: host.name, displaced, seconds };
}

function whyChosen(request: ReservationRequest, { host, displaced }: RankedHost): string {
  if (request.heldHosts.includes(host.name)) return "is held already";
  return displaced === 0 ? "has nothing to move" : "is among the cheapest to vacate";
}

/** Why the host was not taken in the place of the dearest one chosen. */
function whyNot(
  request: ReservationRequest,
  cluster: Cluster,
  plan: Plan,
  dearest: PlannerHost,
  { host }: RankedHost,
): string {
  const instead = [...plan.hosts.filter((name) => name !== dearest.name), host.name];
  const { obstacle } = tryHosts(request, cluster, instead);
  if (obstacle === undefined) return `saves nothing in the place of ${dearest.name}, since fast targets are taken`;
  return `cannot be vacated in the place of ${dearest.name}: ${obstacle}`;
}

function explainTargets(cluster: Cluster, plan: Plan): TargetExplanation[] {
  const { costs } = indexOf(cluster);
  const vacated = new Set(plan.hosts);
  const targets = cluster.hosts.filter(({ name, isReady, isUnschedulable }) => {
    return !vacated.has(name) && isReady && !isUnschedulable;
  });
  const room = new Room(cluster.hosts, cluster.guests);
  for (const { guest, to } of plan.moves) room.take(guest, to);
  return plan.moves.map(({ guest, to, prediction }) => {
    const isHome = guest.homeName === to;
    const seconds = prediction.totalSeconds;
    const next: TargetExplanation["others"] = [];
    const consider = (host: string) => {
      const obstacle = room.obstacle(guest, host);
      const other = costs.seconds(guest, host);
      const reason = obstacle ? describeObstacle(obstacle) : other > 1.02 * seconds ? "takes longer" : "has less room";
      next.push({ host, seconds: other, reason });
    };
    if (guest.homeName !== undefined && !isHome && !vacated.has(guest.homeName)) consider(guest.homeName);
    const others = targets.filter(({ name }) => name !== to && name !== guest.homeName);
    for (const { name } of nearest(others, (name) => costs.seconds(guest, name))) consider(name);
    const reason = isHome
      ? "is its home"
      : next.some((one) => one.seconds < seconds)
        ? "has room"
        : "is as fast as any";
    return { vm: guestName(guest), to, seconds, reason, others: next };
  });
}

/** The fastest few, in one pass. */
function nearest(hosts: readonly PlannerHost[], seconds: (name: string) => number): PlannerHost[] {
  const best: { host: PlannerHost; seconds: number }[] = [];
  for (const host of hosts) {
    const one = { host, seconds: seconds(host.name) };
    const place = best.findIndex((other) => other.seconds > one.seconds);
    if (place >= 0) best.splice(place, 0, one);
    else if (best.length < mostOthers) best.push(one);
    if (best.length > mostOthers) best.pop();
  }
  return best.map(({ host }) => host);
}
