import { isObject } from "../json.ts";
import type { Behaviour } from "../registry/behaviour.ts";
import type { KubernetesObject } from "../resource.ts";
import type { Cause } from "../status.ts";

/** What events.k8s.io/v1 calls the fields of core/v1 events, which is the form that is stored. */
const coreNames: Record<string, string> = {
  regarding: "involvedObject",
  note: "message",
  reportingController: "reportingComponent",
  deprecatedSource: "source",
  deprecatedFirstTimestamp: "firstTimestamp",
  deprecatedLastTimestamp: "lastTimestamp",
  deprecatedCount: "count",
};
const viewNames = Object.fromEntries(Object.entries(coreNames).map(([view, core]) => [core, view]));

function renamed(event: KubernetesObject, names: Record<string, string>, apiVersion: string): KubernetesObject {
  const fields = Object.entries(event).map(([field, value]) => [names[field] ?? field, value]);
  return { ...Object.fromEntries(fields), apiVersion };
}

export const coreEventBehaviour: Behaviour = {
  allowsUnconditionalUpdate: true,
  selectableFields: [
    ...["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map(
      (field) => `involvedObject.${field}`,
    ),
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  validate: (event) => validateNamespace(event, "involvedObject"),
};

/** The same events in the newer view; both are stored once, as core/v1. */
export const eventBehaviour: Behaviour = {
  allowsUnconditionalUpdate: true,
  selectableFields: [
    ...["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map(
      (field) => `regarding.${field}`,
    ),
    "reason",
    "reportingController",
    "type",
  ],
  toStored: (event) => renamed(event, coreNames, "v1"),
  fromStored: (event) => renamed(event, viewNames, "events.k8s.io/v1"),
  validate: (event) => validateNamespace(event, "regarding"),
};

/** Events stand in the namespace of their object; those of cluster-scoped objects in `default`. */
function validateNamespace(event: KubernetesObject, subject: string): Cause[] {
  const reference = event[subject];
  const namespace = isObject(reference) ? (reference.namespace ?? "") : "";
  if (event.metadata.namespace === (namespace === "" ? "default" : namespace)) return [];
  const message = `Invalid value: ${JSON.stringify(namespace)}: does not match event.namespace`;
  return [{ reason: "FieldValueInvalid", message, field: `${subject}.namespace` }];
}
