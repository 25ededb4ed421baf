import type { ConnectionOptions } from "node:tls";
import type { KubeConfig } from "@kubernetes/client-node";

/** Where the API server is, and who we are to it. */
export interface ServerConnection {
  /** Such as `https://127.0.0.1:6443`; may end in a path. */
  server: string;
  /** CA, client certificate and key. */
  tls: Pick<ConnectionOptions, "ca" | "cert" | "key" | "servername" | "rejectUnauthorized">;
  /** Of an HTTP proxy in between. */
  proxyUrl?: string;
  /** The headers that identify us; tokens that expire are renewed when they are old, or when asked for with `renew`. */
  headers(renew: boolean): Promise<Record<string, string>>;
}

export interface KubeConfigOptions {
  /** A kubeconfig's path. Absent: `KUBECONFIG`, `~/.kube/config`, then the service account of the pod we run in. */
  path?: string;
  /** Absent takes the current one. */
  context?: string;
}

/** Tokens from files and plug-ins are looked at again after this time; kubelet renews them long before they expire. */
const headersSeconds = 60;

/** Loads where the server is and who we are. Throws when there is no usable configuration, naming what is missing. */
export async function loadConnection(options: KubeConfigOptions = {}): Promise<ServerConnection> {
  // The package costs a second to import: only commands that talk to a server shall pay for it.
  const clientNode = await import("@kubernetes/client-node");
  const config = new clientNode.KubeConfig();
  if (options.path === undefined) config.loadFromDefault();
  else loadFile(config, options.path);
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    const contexts = config.getContexts().map((context) => context.name);
    throw new Error(
      `kubeconfig has no cluster for context "${config.getCurrentContext()}"; it has: ${contexts.join(", ")}`,
    );
  }
  if (options.path === undefined && cluster.name === "cluster" && cluster.server === "http://localhost:8080") {
    throw new Error("no kubeconfig found: set KUBECONFIG or pass --kubeconfig, or run in a cluster's pod");
  }
  const identity = await identify(config);
  const { ca, cert, key, servername, rejectUnauthorized } = identity.options;
  const tls = Object.fromEntries(
    Object.entries({ ca, cert, key, servername, rejectUnauthorized }).filter(([, value]) => value !== undefined),
  );
  return {
    server: cluster.server,
    tls,
    ...(cluster.proxyUrl === undefined ? {} : { proxyUrl: cluster.proxyUrl }),
    headers: cachedHeaders(config, identity.headers),
  };
}

function loadFile(config: KubeConfig, path: string): void {
  try {
    config.loadFromFile(path);
  } catch (cause) {
    throw new Error(`kubeconfig ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

type HttpsOptions = Parameters<KubeConfig["applyToHTTPSOptions"]>[0];

async function identify(config: KubeConfig): Promise<{ options: HttpsOptions; headers: Record<string, string> }> {
  const options: HttpsOptions = {};
  await config.applyToHTTPSOptions(options);
  const headers = Object.entries(options.headers ?? {}).map(([name, value]) => [name, String(value).trim()]);
  return { options, headers: Object.fromEntries(headers) };
}

function cachedHeaders(config: KubeConfig, first: Record<string, string>): ServerConnection["headers"] {
  let headers = first;
  let readAt = performance.now();
  return async (renew) => {
    if (renew || performance.now() - readAt > headersSeconds * 1000) {
      headers = (await identify(config)).headers;
      readAt = performance.now();
    }
    return headers;
  };
}
