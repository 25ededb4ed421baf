import { isObject } from "../json.ts";
import type { ServedResource } from "../registry/registry.ts";
import type { JsonObject, KubernetesObject } from "../resource.ts";
import { badRequest, conflict, forbidden, invalidOption, type StatusError } from "../status.ts";
import type { Write } from "../store/store.ts";
import { timestamp } from "./prepare.ts";

export interface DeleteOptions {
  dryRun: boolean;
  preconditions: { uid?: string; resourceVersion?: string };
  /** Whether dependents shall outlive the object; otherwise they are deleted after it, in the background. */
  orphan?: boolean;
}

/** Holds an object until its dependents no longer refer to it. */
export const orphanFinalizer = "orphan";

/** Namespaces that the server itself needs. */
const undeletableNamespaces = ["default", "kube-system"];
const supportedPropagation = ["Background", "Orphan"];

/**
 * Reads DeleteOptions from a request's body and query; the body wins. `gracePeriodSeconds` has no meaning for the kinds
 * served here and is passed over, as Kubernetes does for them.
 *
 * @throws StatusError 400 for a malformed body, 422 for a propagation policy that is not supported
 */
export function readDeleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  if (body !== undefined && !isObject(body)) throw badRequest("DeleteOptions must be an object");
  if (body?.kind !== undefined && body.kind !== "DeleteOptions") {
    throw badRequest(`the body must be DeleteOptions, not ${String(body.kind)}`);
  }
  const policy = body?.propagationPolicy ?? query.get("propagationPolicy") ?? formerPolicy(body, query);
  if (typeof policy !== "string" || !supportedPropagation.includes(policy)) throw unsupportedPropagation(policy);
  const dryRun = body?.dryRun ?? query.getAll("dryRun");
  if (!Array.isArray(dryRun) || dryRun.some((value) => value !== "All")) {
    const message = `Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`;
    throw invalidOption("DeleteOptions", "dryRun", message);
  }
  const preconditions = isObject(body?.preconditions) ? body.preconditions : {};
  const { uid, resourceVersion } = preconditions;
  return {
    dryRun: dryRun.length > 0,
    orphan: policy === "Orphan",
    preconditions: {
      ...(typeof uid === "string" && { uid }),
      ...(typeof resourceVersion === "string" && { resourceVersion }),
    },
  };
}

/** What `orphanDependents` meant before there were policies. */
function formerPolicy(body: JsonObject | undefined, query: URLSearchParams): string {
  const orphan = body?.orphanDependents ?? query.get("orphanDependents");
  return orphan === true || orphan === "true" ? "Orphan" : "Background";
}

function unsupportedPropagation(policy: unknown): StatusError {
  const value = JSON.stringify(policy);
  const message = `Unsupported value: ${value}: supported values: ${supportedPropagation.map((name) => `"${name}"`).join(", ")}`;
  const note = policy === "Foreground" ? " (this server does not wait for dependents)" : "";
  return invalidOption("DeleteOptions", "propagationPolicy", message + note);
}

/**
 * Deletes an object without finalizers; marks one with finalizers, once.
 *
 * @throws StatusError 403 for a namespace the server needs, 409 when a precondition does not hold
 */
export function decideDeletion(
  resource: ServedResource,
  current: KubernetesObject,
  options: DeleteOptions,
  now: Date,
): Write {
  const { definition, behaviour } = resource;
  const { metadata } = current;
  if (resource.storage === "namespaces" && undeletableNamespaces.includes(metadata.name)) {
    throw forbidden(definition, metadata.name, "this namespace may not be deleted");
  }
  checkPreconditions(resource, current, options);
  const orphans = options.orphan === true && !metadata.finalizers?.includes(orphanFinalizer);
  const isHeld = orphans || finalizersOf(resource, current).length > 0;
  if (!isHeld) return { action: "delete", object: current };
  if (metadata.deletionTimestamp !== undefined) return { action: "keep", object: current };
  const marked: KubernetesObject = {
    ...current,
    metadata: {
      ...metadata,
      ...(orphans && { finalizers: [...(metadata.finalizers ?? []), orphanFinalizer] }),
      ...(metadata.generation !== undefined && { generation: metadata.generation + 1 }),
      deletionTimestamp: timestamp(now),
      deletionGracePeriodSeconds: 0,
    },
  };
  behaviour.beginDeletion?.(marked);
  return { action: "put", object: marked };
}

function checkPreconditions(resource: ServedResource, current: KubernetesObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = current.metadata;
  const wanted = options.preconditions;
  if (wanted.uid !== undefined && wanted.uid !== uid) {
    const cause = `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid}`;
    throw conflict(resource.definition, current.metadata.name, cause);
  }
  if (wanted.resourceVersion !== undefined && wanted.resourceVersion !== resourceVersion) {
    const cause = `Precondition failed: ResourceVersion in precondition: ${wanted.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`;
    throw conflict(resource.definition, current.metadata.name, cause);
  }
}

/** Writes an updated object, or deletes it when the update took the last finalizer of a deleted one away. */
export function finishDeletion(resource: ServedResource, updated: KubernetesObject): Write {
  const isFinished = updated.metadata.deletionTimestamp !== undefined && finalizersOf(resource, updated).length === 0;
  return { action: isFinished ? "delete" : "put", object: updated };
}

function finalizersOf(resource: ServedResource, object: KubernetesObject): string[] {
  return [...(object.metadata.finalizers ?? []), ...(resource.behaviour.finalizers?.(object) ?? [])];
}
