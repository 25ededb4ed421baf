import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ApiException,
  ApiextensionsV1Api,
  KubeConfig,
  type V1CustomResourceDefinition,
  VersionApi,
} from "@kubernetes/client-node";
import { load } from "js-yaml";
import { startApiServer } from "../../src/apiserver/server.ts";

/** What an API server can do and not every one does. */
export type Capability =
  | "cel"
  | "strictValidation"
  | "openapiV3"
  | "serverSideApply"
  | "protobufBodies"
  | "definitionWrites"
  | "foregroundDeletion";

/** The API server that a test runs against: the embedded one, or the cluster that VACATE_TEST_KUBECONFIG names. */
export interface ServerUnderTest {
  name: string;
  kubeconfigPath: string;
  /** A folder of this run for caches and files; removed by `stop`. */
  folder: string;
  capabilities: ReadonlySet<Capability>;
  stop(): Promise<void>;
}

/** Starts the embedded server, or prepares the cluster that VACATE_TEST_KUBECONFIG names. */
export async function startServerUnderTest(): Promise<ServerUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), "vacate-server-"));
  const kubeconfigPath = process.env.VACATE_TEST_KUBECONFIG;
  try {
    return kubeconfigPath ? await prepareCluster(kubeconfigPath, folder) : await startEmbedded(folder);
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
}

/**
 * Skips the running test when the server lacks what it needs; the counts name it. `no X` is for tests of what a server
 * says that cannot do X. The only place where tests are skipped.
 */
export function needs(
  context: Mocha.Context,
  server: ServerUnderTest,
  ...needed: (Capability | `no ${Capability}`)[]
): void {
  const isMet = (need: string): boolean =>
    need.startsWith("no ")
      ? !server.capabilities.has(need.slice(3) as Capability)
      : server.capabilities.has(need as Capability);
  const missing = needed.filter((need) => !isMet(need));
  if (missing.length === 0) return;
  if (context.test) context.test.title += ` [${server.name}: needs ${missing.join(", ")}]`;
  context.skip();
}

function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

const crdFolder = new URL("../../crds/", import.meta.url);

type Definition = { metadata: { name: string } };

/** The project's CustomResourceDefinitions as they stand in crds/. */
export function customResourceDefinitions(): Definition[] {
  return readdirSync(crdFolder)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => load(readFileSync(new URL(file, crdFolder), "utf8")) as Definition);
}

async function prepareCluster(kubeconfigPath: string, folder: string): Promise<ServerUnderTest> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  const { major, minor } = await config.makeApiClient(VersionApi).getCode();
  await installDefinitions(config.makeApiClient(ApiextensionsV1Api));
  return {
    name: `Kubernetes ${major}.${minor}`,
    kubeconfigPath,
    folder,
    capabilities: capabilitiesOf(Number.parseInt(minor, 10)),
    stop: () => removeFolder(folder),
  };
}

/** By the minor version in which Kubernetes had it switched on. */
function capabilitiesOf(minor: number): Set<Capability> {
  const always: Capability[] = ["serverSideApply", "protobufBodies", "definitionWrites", "foregroundDeletion"];
  const later: [Capability, number][] = [
    ["openapiV3", 24],
    ["cel", 25],
    ["strictValidation", 25],
  ];
  return new Set([...always, ...later.filter(([, since]) => minor >= since).map(([capability]) => capability)]);
}

const establishLimitMilliseconds = 30_000;

async function installDefinitions(api: ApiextensionsV1Api): Promise<void> {
  const definitions = customResourceDefinitions();
  for (const definition of definitions) {
    await install(api, definition);
  }
  const end = Date.now() + establishLimitMilliseconds;
  for (const { metadata } of definitions) {
    while (!(await isEstablished(api, metadata.name))) {
      if (Date.now() > end) throw new Error(`${metadata.name} was not established within 30 s`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function install(api: ApiextensionsV1Api, definition: Definition): Promise<void> {
  try {
    await api.createCustomResourceDefinition({ body: definition as V1CustomResourceDefinition });
  } catch (error) {
    if (!(error instanceof ApiException) || error.code !== 409) throw error;
    const { name } = definition.metadata;
    const present = await api.readCustomResourceDefinition({ name });
    const metadata = { ...definition.metadata, resourceVersion: present.metadata?.resourceVersion };
    await api.replaceCustomResourceDefinition({
      name,
      body: { ...definition, metadata } as V1CustomResourceDefinition,
    });
  }
}

async function isEstablished(api: ApiextensionsV1Api, name: string): Promise<boolean> {
  const { status } = await api.readCustomResourceDefinition({ name });
  return status?.conditions?.some(({ type, status: value }) => type === "Established" && value === "True") ?? false;
}

async function startEmbedded(folder: string): Promise<ServerUnderTest> {
  const server = await startApiServer({
    dataDirectory: join(folder, "data"),
    port: 0,
    definitions: customResourceDefinitions(),
  });
  return {
    name: "embedded",
    kubeconfigPath: server.kubeconfigPath,
    folder,
    capabilities: new Set(["cel", "strictValidation", "openapiV3"]),
    stop: async () => {
      await server.stop();
      await removeFolder(folder);
    },
  };
}
