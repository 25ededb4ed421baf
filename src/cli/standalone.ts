import { parseArgs } from "node:util";
import { startApiServer } from "../apiserver/server.ts";
import { createLog } from "../runtime/log.ts";
import { logLevelOf, untilAborted } from "./command-support.ts";
import { loadDefinitions } from "./custom-resource-definitions.ts";
import { startOperator } from "./run-operator.ts";
import { parseWholeNumber, UsageError } from "./usage.ts";

const operatorNamespace = "vacate-system";

const help = `usage: vacate standalone --data-dir DIR [OPTIONS]

Serves a Kubernetes-compatible API on loopback and runs the operator, all in this process. Prints one line of JSON when it is
ready: where its kubeconfig and its metrics are.

  --data-dir DIR        holds the objects, the certificate authority and the kubeconfig; made when missing
  --port PORT           of the API on 127.0.0.1, default 6443, 0 for a free one
  --metrics-port PORT   of /metrics, /healthz and /readyz on 127.0.0.1, default 8080, 0 for a free one
  --log-level LEVEL     debug, info, warn or error; default info`;

/** `vacate standalone` */
export async function runStandalone(argv: string[], signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: "boolean" },
      "data-dir": { type: "string" },
      port: { type: "string", default: "6443" },
      "metrics-port": { type: "string", default: "8080" },
      "log-level": { type: "string", default: "info" },
    },
  });
  if (values.help) return console.log(help);
  const dataDirectory = values["data-dir"];
  if (!dataDirectory) throw new UsageError("--data-dir is missing: the folder that holds the objects");
  const port = parseWholeNumber("port", values.port, 0, 65535);
  const metricsPort = parseWholeNumber("metrics-port", values["metrics-port"], 0, 65535);
  const log = createLog({ level: logLevelOf(values["log-level"]) });

  const server = await startApiServer({
    dataDirectory,
    port,
    definitions: loadDefinitions(),
    namespaces: [operatorNamespace],
    logger: log,
  });
  try {
    const { kubeconfigPath } = server;
    const health = { host: "127.0.0.1", port: metricsPort };
    const operator = await startOperator({ kubeconfigPath, namespace: operatorNamespace, health, log }, signal);
    console.log(JSON.stringify({ kubeconfig: kubeconfigPath, metrics: `${operator.healthUrl}/metrics` }));
    await untilAborted(signal);
    // The operator first: its last events and patches still want a server.
    await operator.stop();
  } finally {
    await server.stop();
  }
}
