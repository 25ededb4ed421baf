import { childSchema, isObject, type StructuralSchema } from "./structural-schema.ts";

/**
 * Fills in the schema's defaults, in place: for absent fields, and for null where null is not allowed. A default is
 * itself completed by the defaults below it.
 */
export function applyDefaults(schema: StructuralSchema, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applyDefaults(schema.items, item);
    return;
  }
  if (!isObject(value)) return;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined) continue;
    const isAbsent = !Object.hasOwn(value, name) || (value[name] === null && property.nullable !== true);
    if (isAbsent) value[name] = structuredClone(property.default);
  }
  for (const name of Object.keys(value)) {
    const child = childSchema(schema, name);
    if (child) applyDefaults(child, value[name]);
  }
}
