import { Environment, type ParseResult } from "@marcbachmann/cel-js";
import { type Cause, type CauseReason, childPath, fieldName } from "./cause.ts";
import { checkRule, usesOldSelf } from "./cel-check.ts";
import { toCel } from "./cel-values.ts";
import { correlated } from "./list-types.ts";
import { childSchema, isObject, type StructuralSchema, type ValidationRule } from "./structural-schema.ts";

/**
 * Steps that one rule may take on the largest object its schema allows. cel-js has no limit of its own while it runs,
 * so the limit is enforced by bounds when the rule is compiled, like the cost limit of Kubernetes.
 */
const maxSteps = 10_000_000;

interface CompiledRule {
  source: ValidationRule;
  parsed: ParseResult;
  message: ParseResult | undefined;
  /** Looks at `oldSelf`, so it is checked on update only. */
  isTransition: boolean;
}

type RulesBySchema = ReadonlyMap<StructuralSchema, CompiledRule[]>;

/** Checks an object, and where given the object it replaces, against the rules. */
export type CheckRules = (object: unknown, old?: unknown) => Cause[];

/**
 * Compiles every `x-kubernetes-validations` rule of a schema once.
 *
 * @param name names the definition in errors, such as `reservations.vacate.dev`
 * @throws Error that names definition, field and rule, when a rule does not parse, does not type-check, selects a field
 *   that does not exist or could take too many steps
 */
export function compileRules(name: string, root: StructuralSchema): CheckRules {
  const rules = new Map<StructuralSchema, CompiledRule[]>();
  const environment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false })
    .registerVariable("self", "dyn")
    .registerVariable("oldSelf", "dyn");
  const compileLevel = (schema: StructuralSchema, path: string, places: number): void => {
    const own = schema["x-kubernetes-validations"] ?? [];
    if (own.length > 0) {
      const compiled = own.map((rule) => {
        try {
          return compileRule(environment, schema, rule, places);
        } catch (error) {
          const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
          throw new Error(`${name}: rule at ${fieldName(path)} does not compile: ${reason}: ${rule.rule.trim()}`);
        }
      });
      rules.set(schema, compiled);
    }
    for (const [field, child] of Object.entries(schema.properties ?? {})) {
      compileLevel(child, childPath(path, field), places);
    }
    if (schema.items) compileLevel(schema.items, `${path}[]`, places * (schema.maxItems ?? maxSteps));
    if (isObject(schema.additionalProperties)) {
      const values = schema.additionalProperties as StructuralSchema;
      compileLevel(values, `${path}{}`, places * (schema.maxProperties ?? maxSteps));
    }
  };
  const withMetadata = { ...root, properties: { ...root.properties, ...rootProperties } };
  compileLevel(withMetadata, "", 1);
  return (object, old) => checkLevel(rules, withMetadata, object, old, "");
}

/** Of an object's own fields, rules may see these. */
const rootProperties: Record<string, StructuralSchema> = {
  apiVersion: { type: "string" },
  kind: { type: "string" },
  metadata: { type: "object", properties: { name: { type: "string" }, generateName: { type: "string" } } },
};

function compileRule(
  environment: Environment,
  schema: StructuralSchema,
  source: ValidationRule,
  places: number,
): CompiledRule {
  if (source.optionalOldSelf) throw new Error("optionalOldSelf is not supported");
  const parsed = parse(environment, source.rule, "bool");
  const steps = checkRule(parsed.ast, schema) * places;
  if (steps > maxSteps) {
    throw new Error(`it could take ${steps} steps, at most ${maxSteps} are allowed; bound the lists with maxItems`);
  }
  const message = source.messageExpression ? parse(environment, source.messageExpression, "string") : undefined;
  if (message) checkRule(message.ast, schema);
  return { source, parsed, message, isTransition: usesOldSelf(parsed.ast) };
}

function parse(environment: Environment, expression: string, wanted: "bool" | "string"): ParseResult {
  const parsed = environment.parse(expression);
  const { valid, type, error } = parsed.check();
  if (!valid) throw error ?? new Error("it does not type-check");
  if (type !== wanted && type !== "dyn") throw new Error(`it is of type ${type}, expected ${wanted}`);
  return parsed;
}

function checkLevel(
  rules: RulesBySchema,
  schema: StructuralSchema,
  value: unknown,
  old: unknown,
  path: string,
): Cause[] {
  if (value === undefined || value === null) return [];
  const own = (rules.get(schema) ?? []).flatMap((rule) => checkOne(rule, schema, value, old, path));
  if (Array.isArray(value)) {
    const items = schema.items;
    if (!items) return own;
    const below = value.map((item, index) =>
      checkLevel(rules, items, item, correlated(schema, item, old), `${path}[${index}]`),
    );
    return [...own, ...below.flat()];
  }
  if (!isObject(value)) return own;
  const below = Object.entries(value).map(([name, child]) => {
    const childsSchema = childSchema(schema, name);
    if (!childsSchema) return [];
    return checkLevel(rules, childsSchema, child, isObject(old) ? old[name] : undefined, childPath(path, name));
  });
  return [...own, ...below.flat()];
}

function checkOne(rule: CompiledRule, schema: StructuralSchema, value: unknown, old: unknown, path: string): Cause[] {
  if (rule.isTransition && (old === undefined || old === null)) return [];
  const context = { self: toCel(schema, value), oldSelf: toCel(schema, old) };
  const detail = failure(rule, context);
  if (detail === undefined) return [];
  const type = JSON.stringify(schema.type ?? "object");
  const field = fieldName(joinFieldPath(path, rule.source.fieldPath));
  return [withReason(rule.source.reason, field, type, detail)];
}

/** What is wrong, or undefined when the rule holds. */
function failure(rule: CompiledRule, context: Record<string, unknown>): string | undefined {
  const told = rule.source.message?.trim();
  try {
    if (rule.parsed(context) === true) return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return `${reason} evaluating rule: ${told ?? rule.source.rule.trim()}`;
  }
  return computedMessage(rule, context) ?? told ?? `failed rule: ${rule.source.rule.trim()}`;
}

/** The result of `messageExpression`; when it fails the plain message is used, as in Kubernetes. */
function computedMessage(rule: CompiledRule, context: Record<string, unknown>): string | undefined {
  try {
    const text: unknown = rule.message?.(context);
    return typeof text === "string" && text.trim() !== "" && !text.includes("\n") ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}

function withReason(reason: string | undefined, field: string, type: string, detail: string): Cause {
  const messages: Record<string, string> = {
    FieldValueForbidden: `Forbidden: ${detail}`,
    FieldValueRequired: `Required value: ${detail}`,
    FieldValueDuplicate: `Duplicate value: ${type}`,
  };
  const known = reason !== undefined && Object.hasOwn(messages, reason);
  return {
    reason: known ? (reason as CauseReason) : "FieldValueInvalid",
    message: (known ? messages[reason] : undefined) ?? `Invalid value: ${type}: ${detail}`,
    field,
  };
}

/** A rule's `fieldPath` is relative to the level it stands at: `.spec.x` or `['a-b']`. */
function joinFieldPath(path: string, fieldPath: string | undefined): string {
  if (!fieldPath) return path;
  const relative = fieldPath.startsWith(".") ? fieldPath.slice(1) : fieldPath;
  return path === "" || fieldPath.startsWith("[") ? `${path}${relative}` : `${path}.${relative}`;
}
