import jsonPatch, { type Operation } from "fast-json-patch";
import { isObject } from "./json.ts";
import type { JsonObject } from "./resource.ts";
import { badRequest, tooLarge, unprocessablePatch } from "./status.ts";

const maximumOperations = 10_000;
/** `copy` operations could double a document with every line of the patch. */
const maximumCopiedBytes = 3 * 1024 * 1024;

/**
 * Applies an RFC 6902 patch to a copy of `document`.
 *
 * @throws StatusError 400 when `patch` is no list of operations, 422 when one cannot be applied or a `test` fails
 */
export function applyJsonPatch(document: JsonObject, patch: unknown): JsonObject {
  if (!Array.isArray(patch)) throw badRequest("json patch: the body must be a list of operations");
  if (patch.length > maximumOperations) throw badRequest(`json patch: more than ${maximumOperations} operations`);
  let copiedBytes = 0;
  let patched: unknown = structuredClone(document);
  try {
    for (const [index, operation] of (patch as Operation[]).entries()) {
      if (operation?.op === "copy") {
        copiedBytes += JSON.stringify(jsonPatch.getValueByPointer(patched, operation.from) ?? null).length;
        if (copiedBytes > maximumCopiedBytes) break;
      }
      patched = jsonPatch.applyOperation(patched, operation, true, true, true, index).newDocument;
    }
  } catch (error) {
    throw unprocessablePatch(firstLine(error));
  }
  if (copiedBytes > maximumCopiedBytes) throw tooLarge(maximumCopiedBytes);
  if (!isObject(patched)) throw unprocessablePatch("the patched document is not an object");
  return patched;
}

function firstLine(error: unknown): string {
  return (error as Error).message.split("\n")[0] ?? "the patch cannot be applied";
}

/** Applies an RFC 7386 merge patch and returns the result; neither argument is changed. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(document) ? { ...document } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = applyMergePatch(result[field], value);
  }
  return result;
}

/** How a strategic merge patch treats the lists of the built-in kinds served here. All others are replaced whole. */
const mergeKeys: Record<string, string> = {
  "metadata.ownerReferences": "uid",
  "status.conditions": "type",
  secrets: "name",
  imagePullSecrets: "name",
};
const sets = ["metadata.finalizers"];

/**
 * Applies a strategic merge patch and returns the result; neither argument is changed.
 *
 * Maps are merged; lists with a merge key are merged by it, finalizers as a set. `$patch`, `$retainKeys` and
 * `$deleteFromPrimitiveList` are obeyed; `$setElementOrder` only orders and is passed over.
 *
 * @throws StatusError 400 for an unknown `$patch` directive or a list element without its merge key
 */
export function applyStrategicMergePatch(document: JsonObject, patch: JsonObject): JsonObject {
  return mergeMap(document, patch, "");
}

function mergeMap(document: JsonObject, patch: JsonObject, path: string): JsonObject {
  const { $patch: directive, $retainKeys: retained, ...changes } = patch;
  if (directive === "replace") return changes;
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") throw badRequest(`Unknown patch type found: ${directive}`);
  const result = { ...document };
  for (const [field, value] of Object.entries(changes)) {
    if (field.startsWith("$setElementOrder/")) continue;
    if (field.startsWith("$deleteFromPrimitiveList/")) {
      const list = field.slice("$deleteFromPrimitiveList/".length);
      result[list] = without(result[list], value);
      continue;
    }
    const merged = mergeField(result[field], value, path === "" ? field : `${path}.${field}`);
    if (merged === null) delete result[field];
    else result[field] = merged;
  }
  if (!Array.isArray(retained)) return result;
  return Object.fromEntries(Object.entries(result).filter(([field]) => retained.includes(field)));
}

function mergeField(current: unknown, value: unknown, path: string): unknown {
  if (isObject(value)) {
    if (value.$patch === "delete") return null;
    return mergeMap(isObject(current) ? current : {}, value, path);
  }
  if (!Array.isArray(value)) return value;
  const list = Array.isArray(current) ? current : [];
  if (sets.includes(path)) return [...new Set([...list, ...value])];
  const key = mergeKeys[path];
  return key === undefined ? value : mergeList(list, value, key, path);
}

function mergeList(current: unknown[], patch: unknown[], key: string, path: string): unknown[] {
  if (patch.some((element) => isObject(element) && element.$patch === "replace")) {
    return patch.filter((element) => isObject(element) && element.$patch === undefined);
  }
  const result = [...current];
  for (const element of patch) {
    if (!isObject(element) || element[key] === undefined) {
      throw badRequest(`map: ${path} does not contain declared merge key: ${key}`);
    }
    const index = result.findIndex((existing) => isObject(existing) && existing[key] === element[key]);
    if (element.$patch === "delete") {
      if (index >= 0) result.splice(index, 1);
    } else if (index >= 0) {
      result[index] = mergeMap(result[index] as JsonObject, element, `${path}[]`);
    } else {
      result.push(mergeMap({}, element, `${path}[]`));
    }
  }
  return result;
}

function without(list: unknown, removed: unknown): unknown {
  if (!Array.isArray(list) || !Array.isArray(removed)) return list;
  return list.filter((element) => !removed.includes(element));
}
