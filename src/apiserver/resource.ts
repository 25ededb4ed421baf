/** A value as JSON can carry it. */
export type JsonObject = { [field: string]: unknown };

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** What the server keeps of an object's metadata; `managedFields` are dropped. Times are RFC 3339 in UTC, whole seconds. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
}

export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/**
 * A column of a Table answer. Custom resources have a `jsonPath`; built-in kinds may have a `value` instead,
 * computed from the object and the present time. A column has one of the two.
 */
export interface PrinterColumn {
  name: string;
  /** integer, number, string, boolean or date. */
  type: string;
  format?: string;
  description?: string;
  /** 0 or absent: always shown; above 0: only with `-o wide`. */
  priority?: number;
  jsonPath?: string;
  value?: (object: KubernetesObject, now: Date) => string | number | boolean | null;
}

/**
 * One kind the server serves, as data: made from a CustomResourceDefinition, or built in.
 *
 * `schema` is a structural OpenAPI v3 schema. Its `metadata` says nothing useful: metadata is pruned and validated by
 * the server's core (object-meta.ts), so pruning and structural validation leave `metadata`, `apiVersion` and `kind` alone
 * (CEL rules still see `self.metadata.name`).
 */
export interface ResourceDefinition {
  /** Empty for the core group. */
  group: string;
  version: string;
  kind: string;
  listKind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  categories: string[];
  namespaced: boolean;
  /** Whether `/status` is a writer of its own. */
  hasStatus: boolean;
  verbs: Verb[];
  /** False for kinds that came from a CustomResourceDefinition. */
  builtIn: boolean;
  schema: JsonObject | undefined;
  printerColumns: PrinterColumn[];
}

/** `apps/v1`, or `v1` for the core group: what stands in an object's apiVersion. */
export function apiVersionOf(definition: { group: string; version: string }): string {
  return definition.group === "" ? definition.version : `${definition.group}/${definition.version}`;
}

/** `reservations.vacate.dev`, or `secrets` for the core group: how messages name a resource. */
export function qualifiedResource(definition: { group: string; plural: string }): string {
  return definition.group === "" ? definition.plural : `${definition.plural}.${definition.group}`;
}
