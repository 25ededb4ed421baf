import type { JsonObject, KubernetesObject, PrinterColumn, ResourceDefinition, Verb } from "../resource.ts";
import { eventColumns } from "./event-columns.ts";
import {
  configMapSchema,
  coreEventSchema,
  customResourceDefinitionSchema,
  eventSchema,
  leaseSchema,
  namespaceSchema,
  reviewSchema,
  secretSchema,
} from "./schemas.ts";

const allVerbs: Verb[] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const ageColumn: PrinterColumn = {
  name: "Age",
  type: "date",
  description: "Time since the object was created",
  jsonPath: ".metadata.creationTimestamp",
};

type Given = Partial<ResourceDefinition> & { kind: string; plural: string; schema: JsonObject };

function builtIn(given: Given): ResourceDefinition {
  return {
    group: "",
    version: "v1",
    listKind: `${given.kind}List`,
    singular: given.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    hasStatus: false,
    verbs: allVerbs,
    builtIn: true,
    printerColumns: [ageColumn],
    ...given,
  };
}

function review(group: string, kind: string, namespaced = false): ResourceDefinition {
  const plural = `${kind.toLowerCase()}s`;
  return builtIn({ group, kind, plural, verbs: ["create"], namespaced, schema: reviewSchema, printerColumns: [] });
}

function entries(object: KubernetesObject, ...fields: string[]): number {
  return fields.reduce((sum, field) => sum + Object.keys((object[field] as JsonObject | undefined) ?? {}).length, 0);
}

/** The kinds every server has, besides those from CustomResourceDefinitions. */
export const builtInDefinitions: ResourceDefinition[] = [
  builtIn({
    kind: "Namespace",
    plural: "namespaces",
    shortNames: ["ns"],
    namespaced: false,
    hasStatus: true,
    // As in Kubernetes: all namespaces at once cannot be deleted.
    verbs: allVerbs.filter((verb) => verb !== "deletecollection"),
    schema: namespaceSchema,
    printerColumns: [
      { name: "Status", type: "string", description: "Active or Terminating", jsonPath: ".status.phase" },
      ageColumn,
    ],
  }),
  builtIn({
    kind: "Secret",
    plural: "secrets",
    schema: secretSchema,
    printerColumns: [
      { name: "Type", type: "string", description: "What kind of secret this is", jsonPath: ".type" },
      { name: "Data", type: "string", description: "Number of entries", value: (object) => entries(object, "data") },
      ageColumn,
    ],
  }),
  builtIn({
    kind: "ConfigMap",
    plural: "configmaps",
    shortNames: ["cm"],
    schema: configMapSchema,
    printerColumns: [
      {
        name: "Data",
        type: "string",
        description: "Number of entries",
        value: (object) => entries(object, "data", "binaryData"),
      },
      ageColumn,
    ],
  }),
  builtIn({
    kind: "Event",
    plural: "events",
    shortNames: ["ev"],
    schema: coreEventSchema,
    printerColumns: eventColumns("involvedObject", "message", "lastTimestamp", "firstTimestamp", "count", "source"),
  }),
  builtIn({
    group: "events.k8s.io",
    kind: "Event",
    plural: "events",
    shortNames: ["ev"],
    schema: eventSchema,
    printerColumns: eventColumns(
      "regarding",
      "note",
      "deprecatedLastTimestamp",
      "deprecatedFirstTimestamp",
      "deprecatedCount",
      "deprecatedSource",
    ),
  }),
  builtIn({
    group: "coordination.k8s.io",
    kind: "Lease",
    plural: "leases",
    schema: leaseSchema,
    printerColumns: [
      { name: "Holder", type: "string", description: "Who holds the lease", jsonPath: ".spec.holderIdentity" },
      ageColumn,
    ],
  }),
  builtIn({
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    namespaced: false,
    verbs: ["get", "list", "watch"],
    schema: customResourceDefinitionSchema,
    printerColumns: [
      {
        name: "Created At",
        type: "date",
        description: "When the definition was first loaded",
        value: (object) => object.metadata.creationTimestamp,
      },
    ],
  }),
  review("authorization.k8s.io", "SelfSubjectAccessReview"),
  review("authorization.k8s.io", "SelfSubjectRulesReview"),
  review("authentication.k8s.io", "SelfSubjectReview"),
];
