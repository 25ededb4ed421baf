import type { StructuralSchema } from "../schema/structural-schema.ts";

const text = (description: string): StructuralSchema => ({ type: "string", description });
const time = (description: string): StructuralSchema => ({ type: "string", format: "date-time", description });
const count = (description: string): StructuralSchema => ({ type: "integer", format: "int64", description });
const stringMap = (description: string): StructuralSchema => ({
  type: "object",
  additionalProperties: { type: "string" },
  description,
});

const ownerReference: StructuralSchema = {
  type: "object",
  description: "An object that this one belongs to.",
  required: ["apiVersion", "kind", "name", "uid"],
  "x-kubernetes-map-type": "atomic",
  properties: {
    apiVersion: text("API version of the owner."),
    kind: text("Kind of the owner."),
    name: text("Name of the owner."),
    uid: text("UID of the owner."),
    controller: { type: "boolean", description: "Whether the owner is the one that manages this object." },
    blockOwnerDeletion: {
      type: "boolean",
      description: "Whether the owner's foreground deletion waits for this object.",
    },
  },
};

/** What every object's `metadata` is, as the OpenAPI documents show it. */
export const objectMetaSchema: StructuralSchema = {
  type: "object",
  description: "What every object has: its name, labels and what the server keeps about it.",
  properties: {
    name: text("Name of the object, unique among its kind within a namespace. It cannot change."),
    generateName: text("Prefix from which the server makes a unique name when name is absent."),
    namespace: text("Namespace of the object. Absent for cluster-scoped kinds."),
    labels: stringMap("Keys and values by which objects are selected."),
    annotations: stringMap("Keys and values that tools keep with the object; not used for selection."),
    uid: text("Unique in time and space; set by the server."),
    resourceVersion: text(
      "Version of the stored object. When a write carries it, it must be the present one, else the write is refused.",
    ),
    generation: count("Counts the changes of what is wanted (everything but metadata and status)."),
    creationTimestamp: time("When the object was created; set by the server."),
    deletionTimestamp: time("When deletion was asked for. The object goes once its finalizers are gone."),
    deletionGracePeriodSeconds: count("Seconds given to end gracefully before the object goes."),
    finalizers: {
      type: "array",
      items: { type: "string" },
      "x-kubernetes-list-type": "set",
      description: "Names of those who have work to do before the object may go.",
    },
    ownerReferences: {
      type: "array",
      items: ownerReference,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["uid"],
      description: "Objects that this one belongs to.",
    },
    managedFields: {
      type: "array",
      items: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      "x-kubernetes-list-type": "atomic",
      description: "Who wrote which field. This server keeps no such record and drops what is sent.",
    },
    selfLink: text("No longer used."),
  },
};
