import type { ASTNode } from "@marcbachmann/cel-js";
import { celName } from "./cel-values.ts";
import { isObject, type StructuralSchema } from "./structural-schema.ts";

/** Schemas of the names a part of a rule may use; undefined where the type is not known. */
type Scope = ReadonlyMap<string, StructuralSchema | undefined>;

/** Items assumed in a list without `maxItems`: what fits into a request of about 3 MiB. */
const unboundedItems = 1_000_000;

const macros = new Set(["all", "exists", "exists_one", "map", "filter"]);

/**
 * Walks a rule with the schema of `self`: throws when it selects a field that does not exist, and returns an upper
 * bound of the steps it takes on the largest object the schema allows.
 */
export function checkRule(ast: ASTNode, self: StructuralSchema): number {
  const scope: Scope = new Map([
    ["self", self],
    ["oldSelf", self],
  ]);
  return cost(ast, scope);
}

/** Whether the rule looks at the former value and so speaks of changes only. */
export function usesOldSelf(node: ASTNode): boolean {
  if (node.op === "id") return node.args === "oldSelf";
  return childNodes(node).some(usesOldSelf);
}

function cost(node: ASTNode, scope: Scope): number {
  if (node.op === "." || node.op === ".?") schemaOf(node, scope);
  const macro = asMacro(node);
  if (macro) {
    const items = new Map(scope).set(macro.variable, itemSchema(schemaOf(macro.receiver, scope)));
    const body = macro.bodies.reduce((sum, part) => sum + cost(part, items), 0);
    return 1 + cost(macro.receiver, scope) + bound(macro.receiver, scope) * (1 + body);
  }
  return childNodes(node).reduce((sum, child) => sum + cost(child, scope), 1);
}

function asMacro(node: ASTNode): { receiver: ASTNode; variable: string; bodies: ASTNode[] } | undefined {
  if (node.op !== "rcall") return undefined;
  const [method, receiver, parts] = node.args;
  const [variable, ...bodies] = parts;
  if (!macros.has(method) || variable?.op !== "id") return undefined;
  return { receiver, variable: variable.args, bodies };
}

function childNodes(node: ASTNode): ASTNode[] {
  return flatten(node.args);
}

function flatten(value: unknown): ASTNode[] {
  if (Array.isArray(value)) return value.flatMap(flatten);
  return isNode(value) ? [value] : [];
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === "object" && value !== null && "op" in value;
}

function bound(node: ASTNode, scope: Scope): number {
  if (node.op === "list") return node.args.length;
  const macro = asMacro(node);
  if (macro) return bound(macro.receiver, scope);
  const schema = schemaOf(node, scope);
  if (schema?.properties) return Object.keys(schema.properties).length;
  return schema?.maxItems ?? schema?.maxProperties ?? unboundedItems;
}

/** A list's items are its items; of a map, the macros see the keys, whose schema nobody declares. */
function itemSchema(schema: StructuralSchema | undefined): StructuralSchema | undefined {
  return schema?.items;
}

function schemaOf(node: ASTNode, scope: Scope): StructuralSchema | undefined {
  if (node.op === "id") return scope.get(node.args);
  if (node.op === "." || node.op === ".?") {
    const [receiver, field] = node.args;
    return fieldSchema(schemaOf(receiver, scope), typeof field === "string" ? field : "");
  }
  if (node.op === "[]" || node.op === "[?]") {
    const schema = schemaOf(node.args[0], scope);
    if (schema?.items) return schema.items;
    return isObject(schema?.additionalProperties) ? schema.additionalProperties : undefined;
  }
  return undefined;
}

function fieldSchema(schema: StructuralSchema | undefined, field: string): StructuralSchema | undefined {
  if (!schema?.type) return undefined;
  if (schema.type !== "object") throw new Error(`a value of type ${schema.type} has no field '${field}'`);
  const declared = Object.entries(schema.properties ?? {}).find(([name]) => celName(name) === field);
  if (declared) return declared[1];
  if (isObject(schema.additionalProperties)) return schema.additionalProperties;
  throw new Error(`undefined field '${field}'`);
}
