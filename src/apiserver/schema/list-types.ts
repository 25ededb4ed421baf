import { isDeepStrictEqual } from "node:util";
import { type Cause, childPath, fieldName } from "./cause.ts";
import { childSchema, isObject, type StructuralSchema } from "./structural-schema.ts";

/** Finds items that occur twice in lists of type `set`, and equal keys in lists of type `map`. */
export function duplicates(schema: StructuralSchema, value: unknown, path = ""): Cause[] {
  if (Array.isArray(value)) {
    const items = schema.items;
    const below = items ? value.flatMap((item, index) => duplicates(items, item, `${path}[${index}]`)) : [];
    return [...duplicateItems(schema, value, path), ...below];
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    const schemaOfChild = childSchema(schema, name);
    return schemaOfChild ? duplicates(schemaOfChild, child, childPath(path, name)) : [];
  });
}

function duplicateItems(schema: StructuralSchema, list: unknown[], path: string): Cause[] {
  const type = schema["x-kubernetes-list-type"];
  if (type !== "map" && type !== "set") return [];
  const seen = new Set<string>();
  const causes: Cause[] = [];
  list.forEach((item, index) => {
    const identity = type === "map" ? mapKeyOf(schema, item) : item;
    const text = canonical(identity);
    if (seen.has(text)) {
      const message = `Duplicate value: ${JSON.stringify(identity)}`;
      causes.push({ reason: "FieldValueDuplicate", message, field: fieldName(`${path}[${index}]`) });
    }
    seen.add(text);
  });
  return causes;
}

/** The fields that identify an item of a list of type `map`. An absent key counts with its default. */
function mapKeyOf(schema: StructuralSchema, item: unknown): unknown {
  if (!isObject(item)) return item;
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  return Object.fromEntries(keys.filter((key) => item[key] !== undefined).map((key) => [key, item[key]]));
}

/** The item of an older list that has the same map keys as this one. */
export function correlated(schema: StructuralSchema, item: unknown, oldList: unknown): unknown {
  if (schema["x-kubernetes-list-type"] !== "map" || !Array.isArray(oldList)) return undefined;
  const key = mapKeyOf(schema, item);
  return oldList.find((candidate) => isDeepStrictEqual(mapKeyOf(schema, candidate), key));
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, child: unknown) =>
    isObject(child) ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1))) : child,
  );
}
