import { isObject, type StructuralSchema } from "../schema/structural-schema.ts";
import type { DocumentSchema } from "./kind-schema.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";
import type { OpenApiV2, V2Operation, V2Parameter } from "./v2.ts";

/**
 * Encodes an OpenAPI 2.0 document as the protobuf message `openapi.v2.Document`. The field numbers are those of
 * gnostic's OpenAPIv2.proto; what our documents do not use is left out.
 */
export function encodeDocument(document: OpenApiV2): Buffer {
  return new ProtobufWriter()
    .string(1, document.swagger)
    .message(2, (info) => void info.string(1, document.info.title).string(2, document.info.version))
    .message(8, (paths) => {
      for (const [path, item] of Object.entries(document.paths)) {
        paths.message(2, (named) => void named.string(1, path).message(2, (writer) => writePath(writer, item)));
      }
    })
    .message(9, (definitions) => writeNamedSchemas(definitions, document.definitions))
    .finish();
}

const methodFields: Readonly<Record<string, number>> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 };

function writePath(writer: ProtobufWriter, item: Record<string, V2Operation>): void {
  for (const [method, operation] of Object.entries(item)) {
    const field = methodFields[method];
    if (field === undefined) throw new Error(`the OpenAPI method ${method} has no field in the protobuf form`);
    writer.message(field, (inner) => writeOperation(inner, operation));
  }
}

function writeOperation(writer: ProtobufWriter, operation: V2Operation): void {
  writer
    .string(3, operation.description)
    .string(5, operation.operationId)
    .strings(6, operation.produces)
    .strings(7, operation.consumes);
  for (const parameter of operation.parameters) {
    // ParametersItem.parameter
    writer.message(8, (item) => void item.message(1, (inner) => writeParameter(inner, parameter)));
  }
  writer.message(9, (responses) => {
    for (const [code, response] of Object.entries(operation.responses)) {
      responses.message(1, (named) => {
        named.string(1, code).message(2, (value) => {
          value.message(1, (inner) => {
            inner
              .string(1, response.description)
              .message(2, (item) => void item.message(1, (schema) => writeSchema(schema, response.schema)));
          });
        });
      });
    }
  });
  writeExtensions(writer, 13, operation);
}

function writeParameter(writer: ProtobufWriter, parameter: V2Parameter): void {
  const { name, in: place, description, required, type, schema } = parameter;
  if (place === "body") {
    writer.message(1, (body) => {
      body.string(1, description).string(2, name).string(3, place).boolean(4, required);
      body.message(5, schema && ((inner) => writeSchema(inner, schema)));
    });
    return;
  }
  // NonBodyParameter: the two kinds differ in the number of `type`.
  const [kind, typeField] = place === "query" ? [3, 6] : [4, 5];
  writer.message(2, (nonBody) => {
    nonBody.message(kind, (inner) => {
      inner.boolean(1, required).string(2, place).string(3, description).string(4, name).string(typeField, type);
    });
  });
}

function writeNamedSchemas(writer: ProtobufWriter, schemas: Record<string, DocumentSchema>): void {
  for (const [name, schema] of Object.entries(schemas)) {
    writer.message(1, (named) => void named.string(1, name).message(2, (inner) => writeSchema(inner, schema)));
  }
}

function writeSchema(writer: ProtobufWriter, schema: DocumentSchema): void {
  const { type, properties, items, additionalProperties } = schema;
  const number = (keyword: string): number | undefined => schema[keyword] as number | undefined;
  writer
    .string(1, schema.$ref)
    .string(2, schema.format)
    .string(4, schema.description)
    .double(7, number("maximum"))
    .double(9, number("minimum"))
    .integer(11, number("maxLength"))
    .integer(12, number("minLength"))
    .string(13, schema.pattern as string | undefined)
    .integer(14, schema.maxItems)
    .integer(15, number("minItems"))
    .integer(17, schema.maxProperties)
    .integer(18, number("minProperties"))
    .strings(19, schema.required);
  for (const value of schema.enum ?? []) writer.message(20, (any) => writeAny(any, value));
  writeAdditionalProperties(writer, additionalProperties);
  writer
    .message(22, type && ((inner) => void inner.string(1, type)))
    .message(23, items && ((inner) => void inner.message(1, (item) => writeSchema(item, items))))
    .message(25, properties && ((inner) => writeNamedSchemas(inner, properties)));
  writeExtensions(writer, 31, schema);
}

function writeAdditionalProperties(writer: ProtobufWriter, value: StructuralSchema | boolean | undefined): void {
  if (isObject(value)) {
    writer.message(21, (item) => void item.message(1, (inner) => writeSchema(inner, value as DocumentSchema)));
  } else if (value === true) {
    writer.message(21, (item) => void item.boolean(2, true));
  }
}

function writeExtensions(writer: ProtobufWriter, field: number, source: object): void {
  for (const [name, value] of Object.entries(source)) {
    if (!name.startsWith("x-")) continue;
    writer.message(field, (named) => void named.string(1, name).message(2, (any) => writeAny(any, value)));
  }
}

/** Free values travel as YAML, of which JSON is a part. */
function writeAny(writer: ProtobufWriter, value: unknown): void {
  writer.string(2, JSON.stringify(value));
}
