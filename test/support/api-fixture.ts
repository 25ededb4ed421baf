import { createNamespaces } from "../../src/apiserver/bootstrap.ts";
import { Registry, type ServedResource } from "../../src/apiserver/registry/registry.ts";
import type { JsonObject } from "../../src/apiserver/resource.ts";
import { ObjectReader } from "../../src/apiserver/rest/object-reader.ts";
import { ObjectWriter } from "../../src/apiserver/rest/object-writer.ts";
import { openDatabase } from "../../src/apiserver/store/database.ts";
import { Store } from "../../src/apiserver/store/store.ts";
import { FakeClock } from "./fake-clock.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** A definition of a namespaced kind `Thing` with a spec, a status of its own, a default and a rule about changes. */
export const thingDefinition: JsonObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "things.example.dev" },
  spec: {
    group: "example.dev",
    scope: "Namespaced",
    names: { kind: "Thing", listKind: "ThingList", plural: "things", singular: "thing", shortNames: ["th"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [{ name: "Size", type: "integer", jsonPath: ".spec.size" }],
        schema: {
          openAPIV3Schema: {
            type: "object",
            required: ["spec"],
            properties: {
              spec: {
                type: "object",
                required: ["size"],
                properties: {
                  size: { type: "integer", minimum: 1 },
                  color: { type: "string", default: "blue" },
                  note: { type: "string" },
                },
              },
              status: { type: "object", properties: { phase: { type: "string", enum: ["New", "Done"] } } },
            },
          },
        },
      },
    ],
  },
};

export function thingManifest(metadata: JsonObject, spec: JsonObject = { size: 1 }): JsonObject {
  return { apiVersion: "example.dev/v1", kind: "Thing", metadata, spec };
}

/** Registry, store, reader and writer over a real database in a temporary folder, without HTTP. */
export interface ApiFixture {
  registry: Registry;
  store: Store;
  reader: ObjectReader;
  writer: ObjectWriter;
  clock: FakeClock;
  things: ServedResource;
  close(): Promise<void>;
}

/** Made once, because it never changes and compiling its schemas takes longer than most tests. */
const registry = new Registry([thingDefinition]);

export async function openApiFixture(historyLength?: number): Promise<ApiFixture> {
  const directory = temporaryDirectory();
  const store = new Store(openDatabase(directory.path), historyLength);
  const clock = new FakeClock();
  const writer = new ObjectWriter(store, clock);
  await createNamespaces(registry, writer, ["default", "kube-system", "lab"]);
  return {
    registry,
    store,
    reader: new ObjectReader(store),
    writer,
    clock,
    things: registry.get("example.dev/v1", "things"),
    async close() {
      await store.close();
      directory.remove();
    },
  };
}
