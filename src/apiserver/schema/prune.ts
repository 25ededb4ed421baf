import type { JsonObject } from "../resource.ts";
import { childPath } from "./cause.ts";
import { childSchema, isObject, keepsUnknownFields, objectFields, type StructuralSchema } from "./structural-schema.ts";

/**
 * Removes the fields that the schema does not know from the object, in place, and returns their paths
 * (such as `spec.hosts.cuont`). The object's own apiVersion, kind and metadata are left alone.
 */
export function prune(schema: StructuralSchema, object: JsonObject): string[] {
  const removed: string[] = [];
  pruneObject(schema, object, "", objectFields, removed);
  return removed;
}

function pruneValue(schema: StructuralSchema, value: unknown, path: string, removed: string[]): void {
  if (Array.isArray(value)) {
    const items = schema.items;
    if (items) value.forEach((item, index) => void pruneValue(items, item, `${path}[${index}]`, removed));
    return;
  }
  if (!isObject(value)) return;
  const known = schema["x-kubernetes-embedded-resource"] === true ? objectFields : noFields;
  pruneObject(schema, value, path, known, removed);
}

const noFields: ReadonlySet<string> = new Set();

function pruneObject(
  schema: StructuralSchema,
  object: JsonObject,
  path: string,
  known: ReadonlySet<string>,
  removed: string[],
): void {
  for (const name of Object.keys(object)) {
    if (known.has(name)) continue;
    const child = childSchema(schema, name);
    if (child) {
      pruneValue(child, object[name], childPath(path, name), removed);
    } else if (!keepsUnknownFields(schema)) {
      delete object[name];
      removed.push(childPath(path, name));
    }
  }
}
