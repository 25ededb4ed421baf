import { isDeepStrictEqual } from "node:util";
import { establishedDefinition } from "./registry/custom-resources.ts";
import type { Registry } from "./registry/registry.ts";
import type { JsonObject } from "./resource.ts";
import { decodeObject } from "./rest/decode.ts";
import type { ObjectWriter } from "./rest/object-writer.ts";
import { prepareCreate, timestamp } from "./rest/prepare.ts";
import { StatusError } from "./status.ts";
import type { Store } from "./store/store.ts";

/** Makes the namespaces that are there from the start. Those that exist are left as they are. */
export async function createNamespaces(registry: Registry, writer: ObjectWriter, names: string[]): Promise<void> {
  const resource = registry.get("v1", "namespaces");
  const options = { dryRun: false, fieldValidation: "Strict" } as const;
  const creations = names.map((name) =>
    writer.create(resource, "", { apiVersion: "v1", kind: "Namespace", metadata: { name } }, options).catch((error) => {
      if (!(error instanceof StatusError && error.reason === "AlreadyExists")) throw error;
    }),
  );
  await Promise.all(creations);
}

/** Shows the definitions the server was given under apiextensions.k8s.io/v1, in place of those of an earlier start. */
export async function publishDefinitions(
  registry: Registry,
  store: Store,
  manifests: JsonObject[],
  now: Date,
): Promise<void> {
  const resource = registry.get("apiextensions.k8s.io/v1", "customresourcedefinitions");
  const wanted = new Map(
    manifests.map((manifest) => {
      const established = establishedDefinition(manifest, timestamp(now));
      const decoded = decodeObject(resource, { namespace: "" }, established, "Ignore");
      const address = { namespace: "", name: decoded.meta.name ?? "" };
      return [address.name, prepareCreate(resource, decoded, address, now)];
    }),
  );
  await store.settled();
  const published = [...store.revisions.list({ resource: resource.storage }, store.revision)];
  const removals = published
    .filter(({ metadata }) => !wanted.has(metadata.name))
    .map((object) =>
      store.write({ resource: resource.storage, namespace: "", name: object.metadata.name }, () => ({
        action: "delete",
        object,
      })),
    );
  const writes = [...wanted.values()].map((object) =>
    store.write({ resource: resource.storage, namespace: "", name: object.metadata.name }, (current) => {
      if (!current) return { action: "put", object };
      if (isDeepStrictEqual(current.spec, object.spec)) return { action: "keep", object: current };
      const { uid, creationTimestamp } = current.metadata;
      return { action: "put", object: { ...object, metadata: { ...object.metadata, uid, creationTimestamp } } };
    }),
  );
  await Promise.all([...removals, ...writes]);
}
