import type { Reservation } from "../api/resources.ts";
import { isTrue } from "../runtime/condition.ts";
import type { NoisyHosts } from "./noisy-hosts.ts";
import type { Policy } from "./policies.ts";
import { SimulatedCluster } from "./simulated-cluster.ts";
import type { Workload } from "./workload.ts";

/** How a policy has done. */
export interface PolicyScore {
  policy: string;
  asked: number;
  admitted: number;
  onTime: number;
  /** Share of the admitted windows whose hosts were free when they began; 1 when there was none. */
  onTimeShare: number;
  /** How long before the window the hosts were free, in the middle; negative when late. */
  medianLeadSeconds: number;
  worstLeadSeconds: number;
  /** From a host being free until its window began, over all hosts. */
  idleHostHours: number;
  /** Suspend, copy and resume of all migrations, out and back. */
  downtimeSeconds: number;
  migrations: number;
}

/** A window that is over. */
interface Outcome {
  isOnTime: boolean;
  leadSeconds: number;
  idleHostSeconds: number;
}

/** After the last day: the longest notice, window and return come to less. */
const longestRestMilliseconds = 7 * 86_400_000;

/** Runs the workload under the policy from beginning to end. */
export async function runPolicy(workload: Workload, policy: Policy, seed: number): Promise<PolicyScore> {
  const cluster = new SimulatedCluster(workload, policy, seed);
  const outcomes: Outcome[] = [];
  await cluster.start(workload);
  for (const { createdAt, reservation } of workload.requests) {
    await cluster.passUntil(createdAt);
    outcomes.push(...(await collect(cluster)));
    await cluster.ask(reservation);
  }
  // Every window that was asked for comes to its end.
  const latest = workload.end.getTime() + longestRestMilliseconds;
  while (cluster.reservations().length > 0) {
    if (cluster.clock.now().getTime() > latest) {
      const names = cluster.reservations().map(({ metadata, status }) => `${metadata.name} (${status?.phase})`);
      throw new Error(`under policy ${policy.name} these windows never came to an end: ${names.join(", ")}`);
    }
    await cluster.passUntil(new Date(cluster.clock.now().getTime() + 3_600_000));
    outcomes.push(...(await collect(cluster)));
  }
  await cluster.stop();
  return scoreOf(policy, workload.requests.length, outcomes, cluster.hosts.totals);
}

/** Takes the windows that are over out of the API; those that were refused, once they would have begun. */
async function collect(cluster: SimulatedCluster): Promise<Outcome[]> {
  const now = cluster.clock.now().getTime();
  const outcomes: Outcome[] = [];
  for (const reservation of cluster.reservations()) {
    const { status, spec } = reservation;
    const isOver = isTrue(status?.conditions, "Completed");
    const isRefused = !isTrue(status?.conditions, "Admitted") && Date.parse(spec.window.start ?? "") <= now;
    if (isOver) outcomes.push(outcomeOf(reservation));
    if (isOver || isRefused) await cluster.forget(reservation);
  }
  return outcomes;
}

function outcomeOf({ status }: Reservation): Outcome {
  const [start, end] = [status?.window?.start, status?.window?.end].map((at) => Date.parse(at ?? ""));
  const { result, leadMilliseconds } = status?.outcome ?? {};
  // Hosts that never got free are as late as the window is long.
  const leadSeconds = (leadMilliseconds ?? (start ?? 0) - (end ?? 0)) / 1000;
  const idle = (status?.hosts ?? []).map(({ vacatedAt }) => Math.max(0, (start ?? 0) - Date.parse(vacatedAt ?? "")));
  const idleMilliseconds = idle.filter(Number.isFinite).reduce((sum, each) => sum + each, 0);
  return { isOnTime: result === "OnTime", leadSeconds, idleHostSeconds: idleMilliseconds / 1000 };
}

function scoreOf(
  policy: Policy,
  asked: number,
  outcomes: readonly Outcome[],
  totals: NoisyHosts["totals"],
): PolicyScore {
  const leads = outcomes.map(({ leadSeconds }) => leadSeconds).sort((a, b) => a - b);
  const onTime = outcomes.filter(({ isOnTime }) => isOnTime).length;
  const idleSeconds = outcomes.reduce((sum, { idleHostSeconds }) => sum + idleHostSeconds, 0);
  return {
    policy: policy.name,
    asked,
    admitted: outcomes.length,
    onTime,
    onTimeShare: outcomes.length === 0 ? 1 : onTime / outcomes.length,
    medianLeadSeconds: leads[Math.floor(leads.length / 2)] ?? 0,
    worstLeadSeconds: leads[0] ?? 0,
    idleHostHours: idleSeconds / 3600,
    downtimeSeconds: totals.downtimeMilliseconds / 1000,
    migrations: totals.migrations,
  };
}
