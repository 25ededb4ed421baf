import { join } from "node:path";
import { dump } from "js-yaml";
import { writePrivately } from "../files.ts";

/**
 * Writes DATA-DIRECTORY/kubeconfig, with which kubectl and every other client reach the server, readable by its owner alone.
 *
 * @returns its path
 */
export function writeKubeconfig(
  dataDirectory: string,
  access: { url: string; authority: string; token: string },
): string {
  const path = join(dataDirectory, "kubeconfig");
  const name = "vacate";
  const cluster = {
    server: access.url,
    "certificate-authority-data": Buffer.from(access.authority).toString("base64"),
  };
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user: { token: access.token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: "default" } }],
    "current-context": name,
  };
  writePrivately(path, dump(kubeconfig, { lineWidth: -1 }));
  return path;
}
