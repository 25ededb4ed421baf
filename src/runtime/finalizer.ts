import { type KubernetesObject, keyOf } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";
import { type CallOptions, type Client, isNotFound } from "./client.ts";

/**
 * Adds the finalizer unless it is there; to be called before the first side effect. Returns the object as it is now.
 * Rejects with a conflict (409) when the object has changed since it was read.
 */
export async function ensureFinalizer<T extends KubernetesObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  finalizer: string,
  options: CallOptions = {},
): Promise<T> {
  const finalizers = object.metadata.finalizers ?? [];
  if (finalizers.includes(finalizer)) return object;
  return patchFinalizers(client, resource, object, [...finalizers, finalizer], options);
}

/**
 * Removes the finalizer; to be called only after the cleanup is proven. An object that is gone is fine.
 * Rejects with a conflict (409) when the object has changed since it was read.
 */
export async function removeFinalizer<T extends KubernetesObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  finalizer: string,
  options: CallOptions = {},
): Promise<void> {
  const finalizers = object.metadata.finalizers ?? [];
  if (!finalizers.includes(finalizer)) return;
  const left = finalizers.filter((name) => name !== finalizer);
  try {
    await patchFinalizers(client, resource, object, left, options);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

function patchFinalizers<T extends KubernetesObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  finalizers: string[],
  options: CallOptions,
): Promise<T> {
  // A merge patch replaces the list whole, so without resourceVersion it could drop another controller's finalizer.
  const { resourceVersion } = object.metadata;
  return client.patch(resource, keyOf(object), { metadata: { finalizers, resourceVersion } }, options);
}
