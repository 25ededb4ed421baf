import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../src/apiserver/resource.ts";
import { startApiServer } from "../../src/apiserver/server.ts";
import { type CustomResourceDefinition, loadDefinitions } from "../../src/cli/custom-resource-definitions.ts";
import { type RawAnswer, RawApi } from "./raw-api.ts";

/** What an API server can do and not every one does. */
export type Capability =
  | "cel"
  | "strictValidation"
  | "openapiV3"
  | "serverSideApply"
  | "protobufBodies"
  | "definitionWrites"
  | "foregroundDeletion"
  /** RBAC and tokens of service accounts. */
  | "accessRules";

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

async function prepareCluster(kubeconfigPath: string, folder: string): Promise<ServerUnderTest> {
  const api = await RawApi.create(kubeconfigPath);
  const { major, minor } = (await expectSuccess(api.get("/version"))) as { major: string; minor: string };
  await installDefinitions(api);
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
  const always: Capability[] = [
    "serverSideApply",
    "protobufBodies",
    "definitionWrites",
    "foregroundDeletion",
    "accessRules",
  ];
  const later: [Capability, number][] = [
    ["openapiV3", 24],
    ["cel", 25],
    ["strictValidation", 25],
  ];
  return new Set([...always, ...later.filter(([, since]) => minor >= since).map(([capability]) => capability)]);
}

const establishLimitMilliseconds = 30_000;
const definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** Not through the typed client: it drops what its types spell otherwise, such as defaults and list types. */
async function installDefinitions(api: RawApi): Promise<void> {
  const definitions = loadDefinitions();
  for (const definition of definitions) {
    const created = await api.send("POST", definitionsPath, { body: definition });
    if (created.code !== 409) await expectSuccess(created);
    else await expectSuccess(api.merge(`${definitionsPath}/${definition.metadata.name}`, { spec: definition.spec }));
  }
  const end = Date.now() + establishLimitMilliseconds;
  for (const { metadata, spec } of definitions) {
    while (!(await isServed(api, spec))) {
      if (Date.now() > end) throw new Error(`${metadata.name} was not served within 30 s`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function isServed(api: RawApi, { group, versions, names }: CustomResourceDefinition["spec"]): Promise<boolean> {
  const answer = await api.get(`/apis/${group}/${versions[0]?.name}/${names.plural}?limit=1`);
  return answer.code === 200;
}

async function expectSuccess(pending: RawAnswer | Promise<RawAnswer>): Promise<JsonObject> {
  const { code, body } = await pending;
  if (code >= 300) throw new Error(`the cluster answered ${code}: ${JSON.stringify(body)}`);
  return body;
}

async function startEmbedded(folder: string): Promise<ServerUnderTest> {
  const server = await startApiServer({
    dataDirectory: join(folder, "data"),
    port: 0,
    definitions: loadDefinitions(),
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
