import { type JsonObject, qualifiedResource, type ResourceDefinition } from "../resource.ts";
import type { Cause } from "./cause.ts";
import { compileRules } from "./cel-rules.ts";
import { applyDefaults } from "./defaults.ts";
import { duplicates } from "./list-types.ts";
import { prune } from "./prune.ts";
import type { StructuralSchema } from "./structural-schema.ts";
import { compileStructure } from "./structural-validation.ts";

/** What the schema of one kind does to objects. All of it leaves `apiVersion`, `kind` and `metadata` alone. */
export interface ObjectSchema {
  /** Removes unknown fields, in place, and returns their paths. */
  prune(object: JsonObject): string[];
  /** Fills in defaults, in place. */
  applyDefaults(object: JsonObject): void;
  /**
   * What is wrong with the object; empty when it is valid. With the object it replaces, rules about changes are checked
   * too. CEL rules are looked at only once the structure is right.
   */
  validate(object: JsonObject, old?: JsonObject): Cause[];
}

const acceptsEverything: ObjectSchema = { prune: () => [], applyDefaults: () => {}, validate: () => [] };

/**
 * Compiles the schema of a kind once, to be used for every write.
 *
 * @throws Error naming the definition and the rule when a CEL rule does not compile
 */
export function compileSchema(definition: ResourceDefinition): ObjectSchema {
  if (!definition.schema) return acceptsEverything;
  const schema = withoutMetadata(definition.schema as StructuralSchema);
  const structure = compileStructure(schema);
  const rules = compileRules(qualifiedResource(definition), schema);
  return {
    prune: (object) => prune(schema, object),
    applyDefaults: (object) => applyDefaults(schema, object),
    validate: (object, old) => {
      const causes = [...structure(object), ...duplicates(schema, object)];
      return causes.length > 0 ? causes : rules(object, old);
    },
  };
}

/** The server's core validates metadata itself, whatever a schema says about it. */
function withoutMetadata(schema: StructuralSchema): StructuralSchema {
  if (!schema.properties?.metadata) return schema;
  const { metadata: _metadata, ...properties } = schema.properties;
  return { ...schema, properties };
}
