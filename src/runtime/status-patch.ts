import { isDeepStrictEqual } from "node:util";
import { type KubernetesObject, keyOf } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";
import type { Client, MergePatch } from "./client.ts";
import type { ReconcileContext } from "./reconciler.ts";

type WithStatus = KubernetesObject & { status?: object };

/**
 * Writes the wanted status as one merge patch of what differs, on the very version that was read: a reconcile's single
 * write. Nothing differs: nothing is sent, and the object is returned as it is. A field of the old status that `wanted`
 * lacks is removed. Rejects with a conflict (409) when the object has changed since; the controller retries that quietly.
 */
export async function patchStatus<T extends WithStatus>(
  client: Client,
  resource: Resource<T>,
  object: T,
  wanted: NonNullable<T["status"]>,
  context: Pick<ReconcileContext, "signal" | "wroteStatus">,
): Promise<T> {
  const status = difference(object.status ?? {}, wanted);
  if (Object.keys(status).length === 0) return object;
  // Versions are never used twice, so this tells an object from a later one of its name too; servers ignore a uid here.
  const patch = { metadata: { resourceVersion: object.metadata.resourceVersion }, status };
  const options = { subresource: "status", signal: context.signal } as const;
  const after = await client.patch(resource, keyOf(object), patch, options);
  context.wroteStatus(object, after);
  return after;
}

/** The merge patch that turns one object into the other. */
export function difference(from: object, to: object): MergePatch {
  const patch: MergePatch = {};
  for (const [field, value] of Object.entries(to)) {
    const before = (from as MergePatch)[field];
    if (value === undefined || isDeepStrictEqual(before, value)) continue;
    patch[field] = isMap(before) && isMap(value) ? difference(before, value) : value;
  }
  for (const field of Object.keys(from)) {
    if ((to as MergePatch)[field] === undefined) patch[field] = null;
  }
  return patch;
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
