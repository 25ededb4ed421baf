import { join } from "node:path";
import { type Child, startChild } from "./child.ts";

const vacate = new URL("../../bin/vacate", import.meta.url).pathname;

/** A standalone control plane in a process of its own, as a user would start it. */
export interface ControlPlane {
  readonly kubeconfigPath: string;
  /** Where `/metrics` and `/readyz` answer. */
  readonly metricsUrl: string;
  readonly process: Child;
}

/** The line that `vacate standalone` prints once it serves. */
interface Ready {
  kubeconfig: string;
  metrics: string;
}

/** Starts `vacate standalone`; started again on the same folder it goes on where it was. */
export async function startControlPlane(folder: string, signal: AbortSignal): Promise<ControlPlane> {
  const command = [vacate, "standalone", "--data-dir", join(folder, "data"), "--port", "0", "--metrics-port", "0"];
  const process = await startChild("vacate standalone", command, { logFile: join(folder, "standalone.log"), signal });
  const ready = JSON.parse(process.readyLine) as Ready;
  return { kubeconfigPath: ready.kubeconfig, metricsUrl: ready.metrics, process };
}
