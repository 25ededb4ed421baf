import type { ResourceDefinition } from "../resource.ts";
import { isObject, type StructuralSchema } from "../schema/structural-schema.ts";
import { type DocumentSchema, groupVersionKind, kindSchema, objectMetaName, schemaName } from "./kind-schema.ts";
import { objectMetaSchema } from "./object-meta-schema.ts";
import { type Operation, operationsOf } from "./operations.ts";
import { encodeDocument } from "./v2-protobuf.ts";

export interface V2Parameter {
  name: string;
  in: "query" | "path" | "body";
  description: string;
  required?: boolean;
  type?: string;
  schema?: DocumentSchema;
}

export interface V2Operation {
  description: string;
  operationId: string;
  consumes?: string[];
  produces: string[];
  parameters: V2Parameter[];
  responses: Record<string, { description: string; schema: DocumentSchema }>;
  "x-kubernetes-action": string;
  "x-kubernetes-group-version-kind": unknown;
}

/** The part of an OpenAPI 2.0 document that this server writes. */
export interface OpenApiV2 {
  swagger: "2.0";
  info: { title: string; version: string };
  paths: Record<string, Record<string, V2Operation>>;
  definitions: Record<string, DocumentSchema>;
}

/** The media type of the protobuf form. The one that clients ask for has an `@`, which old ones cannot parse in an answer. */
export const openapiV2ProtobufType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** The answer to `GET /openapi/v2`: one document of all kinds. */
export function openapiV2Json(definitions: readonly ResourceDefinition[]): OpenApiV2 {
  const paths: OpenApiV2["paths"] = {};
  for (const operation of definitions.flatMap(operationsOf)) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: render(operation) };
  }
  const metadata: DocumentSchema = {
    description: "Name, labels and what the server keeps about the object.",
    $ref: reference(objectMetaName),
  };
  const schemas = definitions.map((definition) => [schemaName(definition), kindSchema(definition, metadata)] as const);
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: "v1" },
    paths,
    definitions: Object.fromEntries(
      [...schemas, [objectMetaName, objectMetaSchema] as const].map(([name, schema]) => [name, forV2(schema)]),
    ),
  };
}

/** The same document in the protobuf form of github.com/google/gnostic, the only one that kubectl reads. */
export function openapiV2Protobuf(definitions: readonly ResourceDefinition[]): Buffer {
  return encodeDocument(openapiV2Json(definitions));
}

function reference(name: string): string {
  return `#/definitions/${name}`;
}

function render(operation: Operation): V2Operation {
  const schema = { $ref: reference(schemaName(operation.definition)) };
  const body: V2Parameter = { name: "body", in: "body", description: "The object, or the patch.", required: true };
  return {
    description: operation.description,
    operationId: operation.id,
    ...(operation.consumes.length > 0 && { consumes: operation.consumes }),
    produces: ["application/json"],
    parameters: [
      ...operation.parameters.map((parameter) => ({
        ...parameter,
        ...(parameter.in === "path" && { required: true }),
      })),
      ...(operation.consumes.length > 0
        ? [{ ...body, schema: operation.method === "patch" ? { type: "object" as const } : schema }]
        : []),
    ],
    responses: { "200": { description: "OK", schema } },
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": groupVersionKind(operation.definition),
  };
}

/** Keywords that OpenAPI 2.0 lacks, or whose published form old clients stumble over. */
const notInV2 = new Set(["nullable", "anyOf", "oneOf", "not", "default", "x-kubernetes-validations"]);

/** A schema in the terms of OpenAPI 2.0, as kube-apiserver publishes it. */
function forV2(schema: DocumentSchema): DocumentSchema {
  const copy: DocumentSchema = {};
  for (const [keyword, value] of Object.entries(schema)) if (!notInV2.has(keyword)) copy[keyword] = value;
  if (schema["x-kubernetes-int-or-string"]) {
    delete copy.type;
    copy.format = "int-or-string";
  }
  if (schema["x-kubernetes-preserve-unknown-fields"]) {
    // With fields declared beside it, kubectl 1.20 would refuse all others.
    delete copy.properties;
    delete copy.required;
    return copy;
  }
  if (schema.properties) copy.properties = mapSchemas(schema.properties);
  if (schema.items) copy.items = forV2(schema.items);
  if (isObject(schema.additionalProperties)) {
    copy.additionalProperties = forV2(schema.additionalProperties as StructuralSchema);
  }
  return copy;
}

function mapSchemas(schemas: Record<string, StructuralSchema>): Record<string, StructuralSchema> {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, forV2(schema)]));
}
