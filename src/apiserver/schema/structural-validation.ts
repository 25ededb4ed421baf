import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import type { JsonObject } from "../resource.ts";
import { type Cause, type CauseReason, childPath, fieldName, invalid } from "./cause.ts";
import { childSchema, isObject, type StructuralSchema } from "./structural-schema.ts";

/** Compiles the schema's types, ranges, patterns, enums and formats to a function that returns what an object breaks. */
export function compileStructure(schema: StructuralSchema): (object: JsonObject) => Cause[] {
  const ajv = new Ajv({ allErrors: true, strict: false, verbose: true });
  // ajv-formats is CommonJS: its function is the module itself, which its types do not say under nodenext.
  (addFormats as unknown as (target: Ajv) => void)(ajv);
  ajv.addFormat("date-time", isDateTime);
  const validate: ValidateFunction = ajv.compile(forAjv(schema) as object);
  return (object) => {
    if (validate(object)) return [];
    const errors = (validate.errors ?? []).filter(isLeaf).map((error) => missingWhenNull(error, schema));
    return errors.map((error) => toCause(error, object));
  };
}

const dateTimePattern = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** RFC 3339 with a zone; unlike ajv's own check it wants the T. */
function isDateTime(text: string): boolean {
  if (!dateTimePattern.test(text)) return false;
  const instant = new Date(text);
  if (Number.isNaN(instant.getTime())) return false;
  // JavaScript accepts 30 February and moves on to March.
  return new Date(`${text.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(text.slice(0, 10));
}

/** ajv reads JSON Schema; the Kubernetes extensions that change what is valid are translated. */
function forAjv(schema: StructuralSchema): JsonObject {
  const copy: JsonObject = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword.startsWith("x-kubernetes-") || keyword === "default" || keyword === "example") continue;
    copy[keyword] = value;
  }
  if (schema.properties) copy.properties = mapValues(schema.properties, forAjv);
  if (schema.items) copy.items = forAjv(schema.items);
  if (isObject(schema.additionalProperties)) copy.additionalProperties = forAjv(schema.additionalProperties);
  if (schema["x-kubernetes-int-or-string"]) copy.type = ["integer", "string"];
  if (schema["x-kubernetes-preserve-unknown-fields"] && !schema.type) delete copy.type;
  return copy;
}

function mapValues<Value, Result>(
  record: Record<string, Value>,
  change: (value: Value) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

/** Branches of `anyOf` and the like are reported once, by the keyword itself. */
function isLeaf(error: ErrorObject): boolean {
  return !/\/(anyOf|oneOf|not)\/\d+\//.test(error.schemaPath);
}

/** Null in a required field counts as missing, as in Kubernetes; elsewhere it is a value of the wrong type. */
function missingWhenNull(error: ErrorObject, root: StructuralSchema): ErrorObject {
  if (error.keyword !== "type" || error.data !== null) return error;
  const steps = error.instancePath.split("/").slice(1).map(unescapePointer);
  const name = steps.pop() ?? "";
  const parent = steps.reduce<StructuralSchema | undefined>(
    (schema, step) => schema && (schema.items ?? childSchema(schema, step)),
    root,
  );
  if (!parent?.required?.includes(name)) return error;
  const instancePath = error.instancePath.slice(0, error.instancePath.lastIndexOf("/"));
  return { ...error, keyword: "required", instancePath, params: { missingProperty: name } };
}

type Limits = { limit: number };

const describers: Record<string, (error: ErrorObject, path: string) => Cause> = {
  required: (error, path) => {
    const field = childPath(path, String((error.params as { missingProperty: string }).missingProperty));
    return { reason: "FieldValueRequired", message: "Required value", field };
  },
  enum: (error, path) => {
    const allowed = (error.params as { allowedValues: unknown[] }).allowedValues.map((value) => JSON.stringify(value));
    const message = `Unsupported value: ${JSON.stringify(error.data)}: supported values: ${allowed.join(", ")}`;
    return { reason: "FieldValueNotSupported", message, field: fieldName(path) };
  },
  type: (error, path) => {
    const wanted = String((error.params as { type: string | string[] }).type);
    const found = JSON.stringify(typeName(error.data));
    const detail = `${inBody(path)} must be of type ${wanted}: ${found}`;
    return { reason: "FieldValueTypeInvalid", message: `Invalid value: ${found}: ${detail}`, field: fieldName(path) };
  },
  minimum: (error, path) =>
    invalid(path, error.data, `${inBody(path)} should be greater than or equal to ${limitOf(error)}`),
  maximum: (error, path) =>
    invalid(path, error.data, `${inBody(path)} should be less than or equal to ${limitOf(error)}`),
  exclusiveMinimum: (error, path) =>
    invalid(path, error.data, `${inBody(path)} should be greater than ${limitOf(error)}`),
  exclusiveMaximum: (error, path) => invalid(path, error.data, `${inBody(path)} should be less than ${limitOf(error)}`),
  multipleOf: (error, path) =>
    invalid(
      path,
      error.data,
      `${inBody(path)} should be a multiple of ${(error.params as { multipleOf: number }).multipleOf}`,
    ),
  minLength: (error, path) =>
    invalid(path, error.data, `${inBody(path)} should be at least ${limitOf(error)} chars long`),
  maxLength: (error, path) =>
    tooMuch("FieldValueTooLong", path, `Too long: may not be more than ${limitOf(error)} bytes`),
  pattern: (error, path) =>
    invalid(path, error.data, `${inBody(path)} should match '${(error.params as { pattern: string }).pattern}'`),
  format: (error, path) => {
    const format = (error.params as { format: string }).format;
    return invalid(path, error.data, `${inBody(path)} must be of type ${format}: ${JSON.stringify(error.data)}`);
  },
  minItems: (error, path) =>
    invalid(path, lengthOf(error.data), `${inBody(path)} should have at least ${limitOf(error)} items`),
  maxItems: (error, path) => tooMany(error, path),
  minProperties: (error, path) =>
    invalid(path, lengthOf(error.data), `${inBody(path)} should have at least ${limitOf(error)} properties`),
  maxProperties: (error, path) => tooMany(error, path),
};

function toCause(error: ErrorObject, object: JsonObject): Cause {
  const path = pathOf(error.instancePath, object);
  const describe = describers[error.keyword];
  return describe
    ? describe(error, path)
    : invalid(path, error.data, `${inBody(path)} ${error.message ?? "is invalid"}`);
}

function tooMany(error: ErrorObject, path: string): Cause {
  const detail = `Too many: ${lengthOf(error.data)}: must have at most ${limitOf(error)} items`;
  return tooMuch("FieldValueTooMany", path, detail);
}

function tooMuch(reason: CauseReason, path: string, message: string): Cause {
  return { reason, message, field: fieldName(path) };
}

function limitOf(error: ErrorObject): number {
  return (error.params as Limits).limit;
}

function lengthOf(value: unknown): number {
  return isObject(value) ? Object.keys(value).length : Array.isArray(value) ? value.length : 0;
}

/** The words with which the server's validation names a field. */
function inBody(path: string): string {
  return path === "" ? "body" : `${path} in body`;
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** `/spec/hosts/0/name` as `spec.hosts[0].name`. */
function pathOf(pointer: string, object: JsonObject): string {
  let path = "";
  let value: unknown = object;
  for (const part of pointer.split("/").slice(1)) {
    const name = unescapePointer(part);
    path = Array.isArray(value) ? `${path}[${name}]` : childPath(path, name);
    value = (value as JsonObject)[name];
  }
  return path;
}

function unescapePointer(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}
