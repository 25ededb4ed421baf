import { isObject } from "./json.ts";
import type { JsonObject, ObjectMeta, OwnerReference } from "./resource.ts";
import { badRequest, type Cause } from "./status.ts";

type MetaType = "string" | "integer" | "strings" | "stringMap" | "ownerReferences" | "ignored";

/** Every field of ObjectMeta, and what it must be. `ignored` ones are accepted and not kept. */
const metaFields: Record<string, MetaType> = {
  name: "string",
  generateName: "string",
  namespace: "string",
  uid: "string",
  resourceVersion: "string",
  generation: "integer",
  creationTimestamp: "string",
  deletionTimestamp: "string",
  deletionGracePeriodSeconds: "integer",
  labels: "stringMap",
  annotations: "stringMap",
  finalizers: "strings",
  ownerReferences: "ownerReferences",
  managedFields: "ignored",
  selfLink: "ignored",
};

const ownerReferenceFields = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];

/**
 * Reads `metadata` as a client sent it.
 *
 * @returns the known fields that are set, and the paths of unknown ones
 * @throws StatusError 400 that names the field of the wrong type
 */
export function readMeta(raw: unknown): { meta: Partial<ObjectMeta>; unknown: string[] } {
  if (raw === undefined || raw === null) return { meta: {}, unknown: [] };
  if (!isObject(raw)) throw wrongType("metadata", "an object");
  const meta: JsonObject = {};
  const unknown: string[] = [];
  for (const [field, value] of Object.entries(raw)) {
    const type = Object.hasOwn(metaFields, field) ? metaFields[field] : undefined;
    if (type === undefined) unknown.push(`metadata.${field}`);
    if (type === undefined || type === "ignored" || value === null) continue;
    checkType(`metadata.${field}`, type, value);
    meta[field] = type === "ownerReferences" ? readOwnerReferences(value as JsonObject[], unknown) : value;
  }
  return { meta: meta as Partial<ObjectMeta>, unknown };
}

function checkType(path: string, type: MetaType, value: unknown): void {
  const fits = {
    string: () => typeof value === "string",
    integer: () => Number.isSafeInteger(value),
    strings: () => Array.isArray(value) && value.every((element) => typeof element === "string"),
    stringMap: () => isObject(value) && Object.values(value).every((element) => typeof element === "string"),
    ownerReferences: () => Array.isArray(value) && value.every(isObject),
    ignored: () => true,
  };
  const wanted = {
    string: "a string",
    integer: "an integer",
    strings: "a list of strings",
    stringMap: "a map of strings",
    ownerReferences: "a list of objects",
    ignored: "anything",
  };
  if (!fits[type]()) throw wrongType(path, wanted[type]);
}

function wrongType(path: string, wanted: string) {
  return badRequest(`the object cannot be decoded: ${path} must be ${wanted}`);
}

function readOwnerReferences(references: JsonObject[], unknown: string[]): OwnerReference[] {
  return references.map((reference, index) => {
    const known: JsonObject = {};
    for (const [field, value] of Object.entries(reference)) {
      if (ownerReferenceFields.includes(field)) known[field] = value;
      else unknown.push(`metadata.ownerReferences[${index}].${field}`);
    }
    return known as unknown as OwnerReference;
  });
}

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelPart = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const maximumAnnotationBytes = 256 * 1024;

const subdomainMessage =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelMessage =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/** Every reason why this metadata may not be stored. `nameIsLabel`: the stricter rule for namespaces' names. */
export function validateMeta(meta: Partial<ObjectMeta>, nameIsLabel: boolean): Cause[] {
  return [
    ...validateName(meta, nameIsLabel),
    ...validateLabels(meta.labels ?? {}),
    ...validateAnnotations(meta.annotations ?? {}),
    ...(meta.finalizers ?? []).flatMap((finalizer) => validateFinalizer(finalizer)),
    ...validateOwnerReferences(meta.ownerReferences ?? []),
  ];
}

/** What may not change between two versions of one object. */
export function validateMetaUpdate(meta: Partial<ObjectMeta>, old: ObjectMeta): Cause[] {
  if (old.deletionTimestamp === undefined) return [];
  const added = (meta.finalizers ?? []).filter((finalizer) => !old.finalizers?.includes(finalizer));
  if (added.length === 0) return [];
  const found = added.map((finalizer) => JSON.stringify(finalizer)).join(", ");
  return [
    {
      reason: "FieldValueForbidden",
      message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${found}}`,
      field: "metadata.finalizers",
    },
  ];
}

function invalidValue(field: string, value: unknown, message: string): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${message}`, field };
}

function required(field: string, message: string): Cause {
  return {
    reason: "FieldValueRequired",
    message: message === "" ? "Required value" : `Required value: ${message}`,
    field,
  };
}

function validateName(meta: Partial<ObjectMeta>, isLabel: boolean): Cause[] {
  const name = meta.name ?? "";
  if (name === "") return [required("metadata.name", "name or generateName is required")];
  const limit = isLabel ? 63 : 253;
  if (name.length > limit) return [invalidValue("metadata.name", name, `must be no more than ${limit} characters`)];
  if ((isLabel ? dnsLabel : dnsSubdomain).test(name)) return [];
  return [invalidValue("metadata.name", name, isLabel ? labelMessage : subdomainMessage)];
}

function isQualifiedName(key: string): boolean {
  const [first = "", second, ...rest] = key.split("/");
  if (rest.length > 0) return false;
  const name = second ?? first;
  if (second !== undefined && (!dnsSubdomain.test(first) || first.length > 253)) return false;
  return labelPart.test(name) && name.length <= 63;
}

const qualifiedNameMessage =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const labelValueMessage =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

function validateLabels(labels: Record<string, string>): Cause[] {
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries(labels)) {
    if (!isQualifiedName(key)) causes.push(invalidValue("metadata.labels", key, qualifiedNameMessage));
    if (value.length > 63) {
      causes.push(invalidValue("metadata.labels", value, "must be no more than 63 characters"));
    } else if (value !== "" && !labelPart.test(value)) {
      causes.push(invalidValue("metadata.labels", value, labelValueMessage));
    }
  }
  return causes;
}

function validateAnnotations(annotations: Record<string, string>): Cause[] {
  const causes: Cause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    if (isQualifiedName(key.toLowerCase())) continue;
    causes.push(invalidValue("metadata.annotations", key, qualifiedNameMessage));
  }
  if (bytes > maximumAnnotationBytes) {
    const message = `Too long: may not be more than ${maximumAnnotationBytes} bytes`;
    causes.push({ reason: "FieldValueTooLong", message, field: "metadata.annotations" });
  }
  return causes;
}

function validateFinalizer(finalizer: string): Cause[] {
  if (!isQualifiedName(finalizer)) return [invalidValue("metadata.finalizers", finalizer, qualifiedNameMessage)];
  if (finalizer.includes("/")) return [];
  return [
    invalidValue(
      "metadata.finalizers",
      finalizer,
      "name is neither a standard finalizer name nor is it fully qualified",
    ),
  ];
}

function validateOwnerReferences(references: OwnerReference[]): Cause[] {
  const causes: Cause[] = [];
  for (const [index, reference] of references.entries()) {
    const path = `metadata.ownerReferences[${index}]`;
    for (const field of ["apiVersion", "kind", "name", "uid"] as const) {
      const value: unknown = reference[field];
      if (typeof value !== "string" || value === "") causes.push(required(`${path}.${field}`, ""));
    }
  }
  if (references.filter((reference) => reference.controller === true).length > 1) {
    const message = "Only one reference can have Controller set to true";
    causes.push(
      invalidValue(
        "metadata.ownerReferences",
        references.map((reference) => reference.name),
        message,
      ),
    );
  }
  return causes;
}
