import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { validateMeta, validateMetaUpdate } from "../object-meta.ts";
import type { ServedResource } from "../registry/registry.ts";
import { apiVersionOf, type KubernetesObject, type ObjectMeta } from "../resource.ts";
import { conflict, invalid } from "../status.ts";
import type { DecodedObject } from "./decode.ts";

/** Kubernetes keeps whole seconds. */
export function timestamp(now: Date): string {
  return now.toISOString().replace(/\.\d+Z$/, "Z");
}

/**
 * The object to store for a create.
 *
 * @throws StatusError 422 with every cause
 */
export function prepareCreate(
  resource: ServedResource,
  decoded: DecodedObject,
  address: { namespace: string; name: string },
  now: Date,
): KubernetesObject {
  const { labels, annotations, finalizers, ownerReferences, generateName } = decoded.meta;
  const { definition } = resource;
  const metadata: ObjectMeta = {
    name: address.name,
    ...(generateName !== undefined && { generateName }),
    ...(address.namespace !== "" && { namespace: address.namespace }),
    uid: randomUUID(),
    resourceVersion: "",
    ...(!definition.builtIn && { generation: 1 }),
    creationTimestamp: timestamp(now),
    ...collections({ labels, annotations, finalizers, ownerReferences }),
  };
  const object: KubernetesObject = {
    apiVersion: apiVersionOf(definition),
    kind: definition.kind,
    metadata,
    ...decoded.fields,
  };
  // Status has a writer of its own; what came with the create was nobody's observation.
  if (definition.hasStatus) delete object.status;
  resource.behaviour.prepare?.(object, undefined);
  validate(resource, object, undefined);
  return object;
}

/**
 * The object to store for an update of everything but the status. Without a change it is `old` itself.
 *
 * @throws StatusError 409 when the object is another one or another version, 422 with every cause
 */
export function prepareUpdate(
  resource: ServedResource,
  decoded: DecodedObject,
  old: KubernetesObject,
): KubernetesObject {
  checkVersion(resource, decoded.meta, old);
  const { definition } = resource;
  const metadata = updatedMeta(decoded.meta, old.metadata);
  const object: KubernetesObject = { apiVersion: old.apiVersion, kind: old.kind, metadata, ...decoded.fields };
  if (definition.hasStatus) {
    delete object.status;
    if (old.status !== undefined) object.status = old.status;
  }
  resource.behaviour.prepare?.(object, old);
  validate(resource, object, old);
  if (isDeepStrictEqual(object, old)) return old;
  if (metadata.generation !== undefined && !isDeepStrictEqual(specOf(resource, object), specOf(resource, old))) {
    metadata.generation++;
  }
  return object;
}

/**
 * The object to store for an update of the status alone: all else stays as it is.
 *
 * @throws StatusError 409 when the object is another one or another version, 422 with every cause
 */
export function prepareStatusUpdate(
  resource: ServedResource,
  decoded: DecodedObject,
  old: KubernetesObject,
): KubernetesObject {
  checkVersion(resource, decoded.meta, old);
  const { status: _status, ...rest } = old;
  const object: KubernetesObject = { ...rest } as KubernetesObject;
  if (decoded.fields.status !== undefined) object.status = decoded.fields.status;
  validate(resource, object, old);
  return isDeepStrictEqual(object, old) ? old : object;
}

/** @throws StatusError 409 */
function checkVersion(resource: ServedResource, meta: Partial<ObjectMeta>, old: KubernetesObject): void {
  const { definition } = resource;
  const { uid, resourceVersion } = old.metadata;
  if (meta.uid && meta.uid !== uid) {
    const cause = `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${uid}`;
    throw conflict(definition, old.metadata.name, cause);
  }
  if (!meta.resourceVersion || meta.resourceVersion === resourceVersion) return;
  const cause = "the object has been modified; please apply your changes to the latest version and try again";
  throw conflict(definition, old.metadata.name, cause);
}

function updatedMeta(meta: Partial<ObjectMeta>, old: ObjectMeta): ObjectMeta {
  const { labels, annotations, finalizers, ownerReferences } = meta;
  const { labels: _l, annotations: _a, finalizers: _f, ownerReferences: _o, ...kept } = old;
  return { ...kept, ...collections({ labels, annotations, finalizers, ownerReferences }) };
}

type Collections = Pick<ObjectMeta, "labels" | "annotations" | "finalizers" | "ownerReferences">;

/** Empty maps and lists are not kept, as in Kubernetes. */
function collections(given: { [K in keyof Collections]: Collections[K] | undefined }): Collections {
  const filled = Object.entries(given).filter(([, value]) => value !== undefined && Object.keys(value).length > 0);
  return Object.fromEntries(filled) as Collections;
}

/** What the generation counts changes of: everything but metadata, and but the status where that has its own writer. */
function specOf(resource: ServedResource, object: KubernetesObject): unknown {
  const { metadata: _metadata, status, ...spec } = object;
  return resource.definition.hasStatus ? spec : { ...spec, status };
}

function validate(resource: ServedResource, object: KubernetesObject, old: KubernetesObject | undefined): void {
  const { definition, behaviour, schema } = resource;
  const causes = [
    ...validateMeta(object.metadata, behaviour.nameIsLabel === true),
    ...(old ? validateMetaUpdate(object.metadata, old.metadata) : []),
    ...schema.validate(object, old),
    ...(behaviour.validate?.(object, old) ?? []),
  ];
  if (causes.length > 0) throw invalid(definition, object.metadata.name, causes);
}
