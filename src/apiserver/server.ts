import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../api/clock.ts";
import { makeServingCertificate } from "./auth/certificates.ts";
import { writeKubeconfig } from "./auth/kubeconfig.ts";
import { loadToken, makeTokenCheck } from "./auth/tokens.ts";
import { createNamespaces, publishDefinitions } from "./bootstrap.ts";
import { expireEvents } from "./collectors/event-expiry.ts";
import { NamespaceCollector } from "./collectors/namespace-collector.ts";
import { OwnerCollector } from "./collectors/owner-collector.ts";
import { Documents } from "./http/documents.ts";
import { ResourceHandler } from "./http/resource-handler.ts";
import { Router } from "./http/router.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { Registry } from "./registry/registry.ts";
import type { JsonObject } from "./resource.ts";
import { ObjectReader } from "./rest/object-reader.ts";
import { ObjectWriter } from "./rest/object-writer.ts";
import { openDatabase } from "./store/database.ts";
import { Store } from "./store/store.ts";

export interface ApiServerOptions {
  /** Holds the objects, the certificate authority, the token and the kubeconfig. Made when it is missing. */
  dataDirectory: string;
  /** On 127.0.0.1; 0 for a free one. */
  port: number;
  /** CustomResourceDefinition manifests (apiextensions.k8s.io/v1), read-only while the server runs. */
  definitions: JsonObject[];
  clock?: Clock;
  /** Aborting it stops the server, like `stop()`. */
  signal?: AbortSignal;
  logger?: Logger;
  /** Namespaces made at the start besides `default` and `kube-system`. Default: `vacate-system`. */
  namespaces?: string[];
  /** How many of the newest changes watches and paging can go back to, at least 1. Default 10,000. */
  historyLength?: number;
}

export interface ApiServer {
  url: string;
  /** Holds the identity with which clients may do everything; mode 0600. */
  kubeconfigPath: string;
  /** Ends the watches, finishes the writes under way, and gives the data directory free. */
  stop(): Promise<void>;
}

/** The server cannot listen on the wanted port. */
class PortError extends Error {
  readonly reason: "PortInUse" | "CannotListen";

  constructor(port: number, cause: NodeJS.ErrnoException) {
    const inUse = cause.code === "EADDRINUSE";
    super(`cannot listen on 127.0.0.1:${port}: ${inUse ? "the port is already taken" : cause.message}`, { cause });
    this.name = "PortError";
    this.reason = inUse ? "PortInUse" : "CannotListen";
  }
}

const host = "127.0.0.1";
/** Longer than clients keep idle connections, so that none is closed under a request on its way. */
const keepAliveMilliseconds = 120_000;
/** How long requests under way may take to finish when the server stops. */
const drainMilliseconds = 5_000;

/**
 * Serves a Kubernetes-compatible API over HTTPS on loopback.
 *
 * @throws DataDirectoryError when the data directory cannot be used or another instance uses it
 * @throws DefinitionError when a definition cannot be served
 * @throws PortError when the port is taken
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  options.signal?.throwIfAborted();
  const { dataDirectory, definitions, clock = systemClock, logger = silentLogger } = options;
  const registry = new Registry(definitions);
  const store = new Store(openDatabase(dataDirectory), options.historyLength);
  const writer = new ObjectWriter(store, clock);
  const stopping = new AbortController();
  let server: Server | undefined;
  try {
    await createNamespaces(registry, writer, ["default", "kube-system", ...(options.namespaces ?? ["vacate-system"])]);
    await publishDefinitions(registry, store, definitions, clock.now());
    const certificate = await makeServingCertificate(dataDirectory, clock.now());
    const token = loadToken(dataDirectory);
    const router = new Router({
      registry,
      documents: new Documents(registry.definitions),
      resources: new ResourceHandler({ registry, store, reader: new ObjectReader(store), writer, clock }),
      isAuthorized: makeTokenCheck(token),
      logger,
      signal: stopping.signal,
    });
    server = createServer(
      { cert: certificate.certificate, key: certificate.key, minVersion: "TLSv1.2" },
      (request, response) => void router.handle(request, response),
    );
    server.keepAliveTimeout = keepAliveMilliseconds;
    const url = `https://${host}:${await listen(server, options.port)}`;
    const kubeconfigPath = writeKubeconfig(dataDirectory, { url, authority: certificate.authority, token });
    const collectors = [
      new NamespaceCollector(registry, store, writer, logger),
      new OwnerCollector(registry, store, clock, logger),
    ];
    await Promise.all(collectors.map((collector) => collector.resume()));
    const expiry = expireEvents(registry.get("v1", "events"), { store, writer, clock, logger }, stopping.signal);
    logger.info({ url, dataDirectory }, "api server started");

    const running = server;
    const stop = once(async () => {
      stopping.abort();
      await drain(running);
      await Promise.all(collectors.map((collector) => collector.stop()));
      await expiry;
      await store.close();
      logger.info({ url }, "api server stopped");
    });
    options.signal?.addEventListener("abort", () => void stop(), { once: true });
    return { url, kubeconfigPath, stop };
  } catch (error) {
    stopping.abort();
    server?.close();
    await store.close();
    throw error;
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new PortError(port, error)));
    server.listen({ host, port }, () => resolve((server.address() as AddressInfo).port));
  });
}

function drain(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), drainMilliseconds);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function once(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= action();
    return running;
  };
}
