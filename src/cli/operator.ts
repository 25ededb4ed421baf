import { parseArgs } from "node:util";
import { createLog } from "../runtime/log.ts";
import { logLevelOf, untilAborted } from "./command-support.ts";
import { startOperator } from "./run-operator.ts";
import { parseWholeNumber } from "./usage.ts";

const help = `usage: vacate operator [OPTIONS]

Runs the operator against a Kubernetes cluster that has the custom resources (manifests/).

  --kubeconfig FILE     default: KUBECONFIG, ~/.kube/config, then the pod's service account
  --namespace NAME      where the hosts' identities are, default vacate-system
  --metrics-host HOST   where /metrics, /healthz and /readyz are served, default 127.0.0.1
  --metrics-port PORT   default 8080, 0 for a free one
  --log-level LEVEL     debug, info, warn or error; default info`;

/** `vacate operator` */
export async function runOperatorCommand(argv: string[], signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: "boolean" },
      kubeconfig: { type: "string" },
      namespace: { type: "string", default: "vacate-system" },
      "metrics-host": { type: "string", default: "127.0.0.1" },
      "metrics-port": { type: "string", default: "8080" },
      "log-level": { type: "string", default: "info" },
    },
  });
  if (values.help) return console.log(help);
  const operator = await startOperator(
    {
      ...(values.kubeconfig === undefined ? {} : { kubeconfigPath: values.kubeconfig }),
      namespace: values.namespace,
      health: {
        host: values["metrics-host"],
        port: parseWholeNumber("metrics-port", values["metrics-port"], 0, 65535),
      },
      log: createLog({ level: logLevelOf(values["log-level"]) }),
    },
    signal,
  );
  console.log(JSON.stringify({ metrics: `${operator.healthUrl}/metrics` }));
  await untilAborted(signal);
  await operator.stop();
}
