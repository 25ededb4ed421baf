import { systemClock } from "../api/clock.ts";
import { buildControllers } from "../controllers/build-controllers.ts";
import { takeOperatorTerm } from "../controllers/operator-term.ts";
import { HostAgents } from "../hosts/host-agents.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { HttpClient } from "../runtime/http-client.ts";
import { loadConnection } from "../runtime/kube-config.ts";
import type { Log } from "../runtime/log.ts";
import { Manager } from "../runtime/manager.ts";

export interface OperatorOptions {
  /** Absent: `KUBECONFIG`, `~/.kube/config`, then the pod's service account. */
  kubeconfigPath?: string;
  /** Holds the identities of hosts and the operator's term. */
  namespace: string;
  health: { host: string; port: number };
  log: Log;
}

export interface RunningOperator {
  /** Where /metrics, /healthz and /readyz answer. */
  healthUrl: string;
  stop(): Promise<void>;
}

/**
 * Starts the operator: takes a new term, mirrors the resources, then starts the controllers.
 * @throws Error when the API server does not answer, says no, or lacks the custom resources
 */
export async function startOperator(options: OperatorOptions, signal: AbortSignal): Promise<RunningOperator> {
  const { kubeconfigPath, namespace, health, log } = options;
  const metrics = createMetrics({ processMetrics: true });
  const connection = await loadConnection(kubeconfigPath === undefined ? {} : { path: kubeconfigPath });
  const client = new HttpClient({ connection, clock: systemClock, metrics });
  try {
    const term = await takeOperatorTerm(client, namespace, signal);
    const hosts = new HostAgents({ clock: systemClock });
    const manager = new Manager({
      client,
      clock: systemClock,
      log,
      metrics,
      health,
      namespaces: { secrets: namespace },
    });
    buildControllers({ manager, client, hosts, clock: systemClock, metrics, namespace, term });
    manager.addRunnable({ name: "host connections", start: async () => {}, stop: () => hosts.close() });
    await manager.start(signal);
    const stop = async () => {
      await manager.stop();
      await client.close();
    };
    return { healthUrl: manager.healthUrl ?? "", stop };
  } catch (error) {
    await client.close();
    throw error;
  }
}
