/**
 * Runs a real kube-apiserver in the foreground until Ctrl-C, and prints the path of a kubeconfig for it:
 * `node hack/kube-apiserver/start.ts`. Its data is gone afterwards.
 */
import { once } from "node:events";
import { startKubeApiServer } from "../../test/support/kube-apiserver.ts";

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupted.abort());

const server = await startKubeApiServer(interrupted.signal);
console.log(server.kubeconfigPath);
if (!interrupted.signal.aborted) {
  // A listener alone does not keep the process alive; its children do.
  await once(interrupted.signal, "abort");
}
await server.stop();
