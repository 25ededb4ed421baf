import { childSchema, isObject, type StructuralSchema } from "./structural-schema.ts";

/** Words that CEL reserves; as field names they are written `__word__` in rules. */
const reserved = new Set(
  (
    "true false null in as break const continue else for function if import let loop package namespace return var " +
    "void while"
  ).split(" "),
);

/** How a rule names a field: characters that CEL identifiers lack are escaped as Kubernetes does. */
export function celName(field: string): string {
  if (reserved.has(field)) return `__${field}__`;
  return field
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
}

/**
 * The value as CEL sees it: integers as BigInt (CEL's int has no overload with a JavaScript number), date-times as
 * Date, declared fields under their CEL names. Values of declared fields only: rules cannot see unknown ones.
 */
export function toCel(schema: StructuralSchema | undefined, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => toCel(schema?.items, item));
  if (isObject(value)) return objectToCel(schema, value);
  if (typeof value === "number" && isInteger(schema, value)) return BigInt(value);
  if (typeof value === "string" && schema?.format === "date-time") return new Date(value);
  return value;
}

function isInteger(schema: StructuralSchema | undefined, value: number): boolean {
  if (schema?.type === "number") return false;
  return Number.isInteger(value);
}

function objectToCel(schema: StructuralSchema | undefined, value: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, child] of Object.entries(value)) {
    if (child === undefined || name === "__proto__") continue;
    const isDeclared = schema?.properties !== undefined && Object.hasOwn(schema.properties, name);
    result[isDeclared ? celName(name) : name] = toCel(schema ? childSchema(schema, name) : undefined, child);
  }
  return result;
}
