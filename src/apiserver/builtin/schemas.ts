import type { JsonObject } from "../resource.ts";

const string = (description: string): JsonObject => ({ type: "string", description });
const integer = (description: string): JsonObject => ({ type: "integer", format: "int32", description });
const boolean = (description: string): JsonObject => ({ type: "boolean", description });
const time = (description: string): JsonObject => ({
  type: "string",
  format: "date-time",
  nullable: true,
  description,
});
const stringMap = (description: string): JsonObject => ({
  type: "object",
  additionalProperties: { type: "string" },
  description,
});
const list = (items: JsonObject, description: string): JsonObject => ({ type: "array", items, description });
const object = (description: string, properties: JsonObject, required: string[] = []): JsonObject => ({
  type: "object",
  description,
  properties,
  ...(required.length > 0 && { required }),
});

const objectReference = (description: string) =>
  object(description, {
    apiVersion: string("API version of the object."),
    kind: string("Kind of the object."),
    name: string("Name of the object."),
    namespace: string("Namespace of the object."),
    uid: string("UID of the object."),
    resourceVersion: string("Version of the object that is meant."),
    fieldPath: string("Part of the object that is meant."),
  });

const condition = object(
  "One aspect of the object's state.",
  {
    type: string("What the condition is about."),
    status: string("True, False or Unknown."),
    observedGeneration: { type: "integer", format: "int64", description: "Generation the condition was made from." },
    lastTransitionTime: time("When the status changed last."),
    reason: string("One word that says why."),
    message: string("A sentence for people."),
  },
  ["type", "status"],
);

export const namespaceSchema = object("A scope for names; deleting it deletes what is in it.", {
  spec: object("How the namespace behaves.", {
    finalizers: list({ type: "string" }, "What has to be done before the namespace can go."),
  }),
  status: object("State of the namespace, set by the server.", {
    phase: string("Active or Terminating."),
    conditions: list(condition, "What keeps the namespace from going."),
  }),
});

const immutable = boolean("Whether the data may never change again. Only deletion undoes it.");

export const secretSchema = object("Data that must be kept secret. One secret holds less than 1 MiB.", {
  type: string("What kind of secret this is, for programs that read it. Default Opaque."),
  // Without a format: the message of a schema's check would repeat the secret value.
  data: stringMap("The secret data, each value encoded as base64."),
  stringData: stringMap("The secret data in clear text; written into data, never shown."),
  immutable,
});

export const configMapSchema = object("Configuration data. One config map holds less than 1 MiB.", {
  data: stringMap("Configuration data as UTF-8 text."),
  binaryData: {
    type: "object",
    additionalProperties: { type: "string", format: "byte" },
    description: "Configuration data, each value encoded as base64.",
  },
  immutable,
});

export const leaseSchema = object("A claim on a name for some time, renewed by its holder.", {
  spec: object("The claim.", {
    holderIdentity: string("Who holds the lease."),
    leaseDurationSeconds: integer("Seconds after the last renewal until others may take the lease."),
    acquireTime: time("When the holder acquired the lease."),
    renewTime: time("When the holder renewed the lease last."),
    leaseTransitions: integer("How often the lease changed hands."),
    strategy: string("How the next holder is chosen."),
    preferredHolder: string("Who should take the lease over."),
  }),
});

const seriesSchema = (timeField: string) =>
  object("How often this event happened.", {
    count: integer("Number of occurrences."),
    [timeField]: time("When it happened last."),
  });

const eventSource = object("The component that reports the event.", {
  component: string("Name of the component."),
  host: string("Host on which it runs."),
});

export const coreEventSchema = object(
  "Something that happened to an object. Events are kept for an hour.",
  {
    involvedObject: objectReference("The object the event is about."),
    reason: string("One word that says why."),
    message: string("A sentence for people."),
    source: eventSource,
    firstTimestamp: time("When the event happened first."),
    lastTimestamp: time("When the event happened last."),
    count: integer("How often the event happened."),
    type: string("Normal or Warning."),
    eventTime: time("When the event happened first, to the microsecond."),
    series: seriesSchema("lastObservedTime"),
    action: string("What was done or failed."),
    related: objectReference("Another object that has to do with the event."),
    reportingComponent: string("Name of the controller that reports the event."),
    reportingInstance: string("Which instance of the controller."),
  },
  ["involvedObject"],
);

export const eventSchema = object("Something that happened to an object. Events are kept for an hour.", {
  regarding: objectReference("The object the event is about."),
  reason: string("One word that says why."),
  note: string("A sentence for people."),
  deprecatedSource: eventSource,
  deprecatedFirstTimestamp: time("When the event happened first."),
  deprecatedLastTimestamp: time("When the event happened last."),
  deprecatedCount: integer("How often the event happened."),
  type: string("Normal or Warning."),
  eventTime: time("When the event happened first, to the microsecond."),
  series: seriesSchema("lastObservedTime"),
  action: string("What was done or failed."),
  related: objectReference("Another object that has to do with the event."),
  reportingController: string("Name of the controller that reports the event."),
  reportingInstance: string("Which instance of the controller."),
});

export const customResourceDefinitionSchema: JsonObject = {
  type: "object",
  description: "A kind that this server serves. Read-only here: the definitions are loaded at the server's start.",
  properties: {
    spec: { type: "object", description: "The kind.", "x-kubernetes-preserve-unknown-fields": true },
    status: { type: "object", description: "Its state.", "x-kubernetes-preserve-unknown-fields": true },
  },
};

/** The review kinds are questions, answered at once and never stored. */
export const reviewSchema: JsonObject = {
  type: "object",
  description: "A question about the identity that asks; answered at once and never stored.",
  properties: {
    spec: { type: "object", description: "The question.", "x-kubernetes-preserve-unknown-fields": true },
    status: { type: "object", description: "The answer.", "x-kubernetes-preserve-unknown-fields": true },
  },
};
