import { isObject } from "../json.ts";
import { readMeta } from "../object-meta.ts";
import type { ServedResource } from "../registry/registry.ts";
import { apiVersionOf, type JsonObject, type ObjectMeta } from "../resource.ts";
import { badRequest } from "../status.ts";

/** What to do about fields that the schema does not know: refuse, warn, or drop them silently. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** An object as a client sent it: of the right kind, pruned and defaulted, its metadata of the right types. */
export interface DecodedObject {
  fields: JsonObject;
  meta: Partial<ObjectMeta>;
  /** One sentence for each unknown field, when they are to be warned of. */
  warnings: string[];
}

interface Target {
  /** Empty for cluster-scoped kinds. */
  namespace: string;
  /** Absent on create: the object names itself. */
  name?: string;
}

/**
 * Makes a client's object fit for the given resource and address.
 *
 * @throws StatusError 400 when it is another kind, meant for another address, or has unknown fields under Strict
 */
export function decodeObject(
  resource: ServedResource,
  target: Target,
  raw: unknown,
  fieldValidation: FieldValidation,
): DecodedObject {
  if (!isObject(raw)) throw badRequest("the body must be an object");
  checkKind(resource, raw);
  const { meta, unknown } = readMeta(raw.metadata);
  checkAddress(meta, target);
  const fields = resource.definition.builtIn ? (withoutNulls(raw) as JsonObject) : structuredClone(raw);
  delete fields.metadata;
  unknown.push(...resource.schema.prune(fields));
  resource.schema.applyDefaults(fields);
  return { fields, meta, warnings: judgeUnknown(resource, unknown, fieldValidation) };
}

function checkKind(resource: ServedResource, raw: JsonObject): void {
  const { definition } = resource;
  const apiVersion = apiVersionOf(definition);
  if (raw.kind === definition.kind && raw.apiVersion === apiVersion) return;
  if (raw.kind === undefined || raw.kind === "") throw badRequest("Object 'Kind' is missing in the body");
  if (raw.apiVersion === undefined || raw.apiVersion === "") {
    throw badRequest("Object 'apiVersion' is missing in the body");
  }
  throw badRequest(
    `the API version or kind in the data (${raw.apiVersion}, Kind=${raw.kind}) does not match the expected one (${apiVersion}, Kind=${definition.kind})`,
  );
}

function checkAddress(meta: Partial<ObjectMeta>, target: Target): void {
  if (meta.namespace && meta.namespace !== target.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (target.name === undefined || meta.name === target.name) return;
  if (!meta.name) throw badRequest("name must be provided");
  throw badRequest(`the name of the object (${meta.name}) does not match the name on the URL (${target.name})`);
}

/** Built-in kinds treat null as absent, wherever it stands. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(kept.map(([name, field]) => [name, withoutNulls(field)]));
}

function judgeUnknown(resource: ServedResource, unknown: string[], fieldValidation: FieldValidation): string[] {
  if (unknown.length === 0 || fieldValidation === "Ignore") return [];
  const sentences = unknown.map((path) => `unknown field ${JSON.stringify(path)}`);
  if (fieldValidation === "Warn") return sentences;
  const { kind, version } = resource.definition;
  throw badRequest(
    `${kind} in version "${version}" cannot be handled as a ${kind}: strict decoding error: ${sentences.join(", ")}`,
  );
}
