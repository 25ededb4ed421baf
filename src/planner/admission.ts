import { chooseHosts, Effort, type HostChoice, rankHosts } from "./host-choice.ts";
import { describeHold, hostObstacle, overlappingHolds } from "./host-obstacle.ts";
import type { Cluster, PlannerHost, ReservationRequest } from "./inputs.ts";
import { type Plan, planVacating } from "./plan.ts";

type RefusalReason = "WindowInPast" | "InsufficientHosts" | "Conflict" | "InsufficientCapacity";

export interface Refusal {
  reason: RefusalReason;
  /** With numbers. */
  message: string;
  /** The earliest window start at which it would fit, by what is known now. */
  fitsFrom?: Date;
}

export type Admission = { plan: Plan; refusal?: never } | { plan?: never; refusal: Refusal };

/** Pairs of VM and target looked at before a choice of hosts is given up: some seconds on a large cluster. */
const choiceEffort = 3_000_000;
const adviceEffort = 500_000;
/** Later window starts tried for the advice in a refusal. */
const mostLaterStarts = 16;

/**
 * Chooses the hosts that are cheapest to vacate and plans it, or says why it cannot be done. Whoever was admitted
 * before passes `wasAdmitted`, since a manifest is applied again for years: then the window may lie in the past.
 */
export function admit(request: ReservationRequest, cluster: Cluster, wasAdmitted = false): Admission {
  if (!wasAdmitted && request.windowStart <= cluster.now) {
    const [start, now] = [request.windowStart, cluster.now].map((time) => time.toISOString());
    return { refusal: { reason: "WindowInPast", message: `window.start ${start} is not in the future; it is ${now}` } };
  }
  const admission = attempt(request, cluster, choiceEffort);
  if (!admission.refusal) return admission;
  const fitsFrom = earliestStart(request, cluster, admission.refusal.reason);
  if (!fitsFrom) return admission;
  const message = `${admission.refusal.message}; it would fit from ${fitsFrom.toISOString()}`;
  return { refusal: { ...admission.refusal, message, fitsFrom } };
}

function attempt(request: ReservationRequest, cluster: Cluster, effort: number): Admission {
  const { count } = request;
  const unfit: string[] = [];
  const fit = cluster.hosts.filter((host) => {
    const obstacle = hostObstacle(host, request, cluster);
    if (obstacle) unfit.push(`${host.name} ${obstacle}`);
    return !obstacle;
  });
  if (fit.length < count) {
    const numbers = `${plural(count, "host")} wanted, ${fit.length} of ${cluster.hosts.length} qualify`;
    return { refusal: { reason: "InsufficientHosts", message: withDetails(numbers, unfit) } };
  }
  const held: string[] = [];
  const available = fit.filter((host) => {
    const holds = overlappingHolds(host, request);
    held.push(...holds.map((hold) => `${host.name} ${describeHold(hold)}`));
    return holds.length === 0;
  });
  if (available.length < count) {
    const numbers = `${plural(count, "host")} wanted, ${available.length} of ${fit.length} that qualify ${available.length === 1 ? "is" : "are"} not held`;
    return { refusal: { reason: "Conflict", message: withDetails(numbers, held) } };
  }
  return choose(request, cluster, available, new Effort(effort));
}

function choose(
  request: ReservationRequest,
  cluster: Cluster,
  available: readonly PlannerHost[],
  effort: Effort,
): Admission {
  const choice = chooseHosts(request, cluster, rankHosts(request, cluster, available), effort);
  if (!choice) return { refusal: { reason: "InsufficientHosts", message: "no host qualifies" } };
  if (choice.obstacle !== undefined) {
    return { refusal: { reason: "InsufficientCapacity", message: explain(choice, choice.obstacle) } };
  }
  return { plan: planVacating(request, cluster, choice.hosts) };
}

function explain({ hosts, placement }: HostChoice, obstacle: string): string {
  const { placements, unplaced } = placement;
  const displaced = plural(placements.length + unplaced.length, "displaced VM");
  const placed = `${placements.length} of ${displaced} can be placed elsewhere`;
  return `to vacate ${hosts.join(", ")}, ${placed}; ${obstacle}`;
}

/** Only holds pass with time: what else is missing will be missing later too. */
function earliestStart(request: ReservationRequest, cluster: Cluster, reason: RefusalReason): Date | undefined {
  if (reason !== "Conflict" && reason !== "InsufficientCapacity") return undefined;
  const lengthMilliseconds = request.windowEnd.getTime() - request.windowStart.getTime();
  const ends = cluster.hosts.flatMap((host) => host.holds.map((hold) => hold.end.getTime()));
  const later = [...new Set(ends)].filter((end) => end > request.windowStart.getTime()).sort((a, b) => a - b);
  for (const start of later.slice(0, mostLaterStarts)) {
    const windowStart = new Date(start);
    const shifted = { ...request, windowStart, windowEnd: new Date(start + lengthMilliseconds) };
    // By then the holds that end earlier are gone.
    const hosts = cluster.hosts.map((host) => ({
      ...host,
      holds: host.holds.filter((hold) => hold.end > windowStart),
    }));
    if (!attempt(shifted, { ...cluster, hosts }, adviceEffort).refusal) return windowStart;
  }
  return undefined;
}

function withDetails(message: string, details: readonly string[]): string {
  if (details.length === 0) return message;
  const more = details.length > 8 ? `; and ${details.length - 8} more` : "";
  return `${message}: ${details.slice(0, 8).join("; ")}${more}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
