import { createHash } from "node:crypto";
import { apiVersionOf, type JsonObject, type ResourceDefinition } from "../resource.ts";
import { type DocumentSchema, groupVersionKind, kindSchema, objectMetaName, schemaName } from "./kind-schema.ts";
import { objectMetaSchema } from "./object-meta-schema.ts";
import { type Operation, operationsOf } from "./operations.ts";

/** An OpenAPI 3.0 document of one group and version. */
export interface OpenApiV3 {
  openapi: "3.0.0";
  info: { title: string; version: string };
  paths: Record<string, JsonObject>;
  components: { schemas: Record<string, DocumentSchema> };
}

/** The answer to `GET /openapi/v3`: where each group and version's document lies; the hash changes with its content. */
export function openapiV3Index(definitions: readonly ResourceDefinition[]): {
  paths: Record<string, { serverRelativeURL: string }>;
} {
  const groupVersions = [...new Set(definitions.map(apiVersionOf))];
  const entries = groupVersions.map((groupVersion) => {
    const path = `${groupVersion.includes("/") ? "apis" : "api"}/${groupVersion}`;
    const hash = createHash("sha256")
      .update(JSON.stringify(openapiV3(groupVersion, definitions)))
      .digest("hex");
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash.toUpperCase()}` }] as const;
  });
  return { paths: Object.fromEntries(entries) };
}

/**
 * The document of one group and version.
 *
 * @param groupVersion `v1` or `vacate.dev/v1alpha1`
 * @returns undefined when nothing of it is served
 */
export function openapiV3(groupVersion: string, definitions: readonly ResourceDefinition[]): OpenApiV3 | undefined {
  const served = definitions.filter((definition) => apiVersionOf(definition) === groupVersion);
  if (served.length === 0) return undefined;
  const paths: Record<string, JsonObject> = {};
  for (const operation of served.flatMap(operationsOf)) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: render(operation) };
  }
  const metadata: DocumentSchema = {
    description: "Name, labels and what the server keeps about the object.",
    allOf: [{ $ref: reference(objectMetaName) }],
  };
  const schemas = Object.fromEntries(
    served.map((definition) => [schemaName(definition), kindSchema(definition, metadata)]),
  );
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: groupVersion },
    paths,
    components: { schemas: { ...schemas, [objectMetaName]: objectMetaSchema } },
  };
}

function reference(name: string): string {
  return `#/components/schemas/${name}`;
}

function render(operation: Operation): JsonObject {
  const object = { schema: { $ref: reference(schemaName(operation.definition)) } };
  return {
    description: operation.description,
    operationId: operation.id,
    parameters: operation.parameters.map(({ type, ...parameter }) => ({
      ...parameter,
      ...(parameter.in === "path" && { required: true }),
      schema: { type },
    })),
    ...(operation.consumes.length > 0 && {
      requestBody: { content: Object.fromEntries(operation.consumes.map((type) => [type, object])) },
    }),
    responses: { "200": { description: "OK", content: { "application/json": object } } },
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": groupVersionKind(operation.definition),
  };
}
