import { isDeepStrictEqual } from "node:util";
import { isObject } from "../json.ts";
import type { Behaviour } from "../registry/behaviour.ts";
import type { JsonObject, KubernetesObject } from "../resource.ts";
import type { Cause } from "../status.ts";
import { coreEventBehaviour, eventBehaviour } from "./events.ts";

const maximumDataBytes = 1024 * 1024;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const dataKey = /^[-._a-zA-Z0-9]{1,253}$/;

const namespaceFinalizer = "kubernetes";

const namespaceBehaviour: Behaviour = {
  nameIsLabel: true,
  allowsUnconditionalUpdate: true,
  prepare(namespace, old) {
    // The finalizer is taken away by the server alone, once the namespace is empty.
    namespace.spec = old?.spec ?? { finalizers: [namespaceFinalizer] };
    namespace.status ??= { phase: "Active" };
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      "kubernetes.io/metadata.name": namespace.metadata.name,
    };
  },
  beginDeletion(namespace) {
    namespace.status = { ...(isObject(namespace.status) && namespace.status), phase: "Terminating" };
  },
  finalizers(namespace) {
    const finalizers = isObject(namespace.spec) ? namespace.spec.finalizers : undefined;
    return Array.isArray(finalizers) ? finalizers : [];
  },
};

/** The namespace without the server's finalizer: what is left to do is in its metadata alone. */
export function emptiedNamespace(namespace: KubernetesObject): KubernetesObject {
  return { ...namespace, spec: { finalizers: [] } };
}

/** Entries that a secret of a well-known type must have. */
const requiredSecretKeys: Record<string, string[]> = {
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
};

function validateSecretKeys(secret: KubernetesObject): Cause[] {
  const data = isObject(secret.data) ? secret.data : {};
  const required = requiredSecretKeys[String(secret.type)] ?? [];
  return required
    .filter((key) => data[key] === undefined)
    .map((key) => ({ reason: "FieldValueRequired", message: "Required value", field: `data[${key}]` }));
}

const secretBehaviour: Behaviour = {
  allowsUnconditionalUpdate: true,
  selectableFields: ["type"],
  prepare(secret) {
    secret.type ??= "Opaque";
    if (!isObject(secret.stringData)) return;
    const data: JsonObject = { ...(isObject(secret.data) && secret.data) };
    for (const [key, value] of Object.entries(secret.stringData))
      data[key] = Buffer.from(String(value)).toString("base64");
    secret.data = data;
    delete secret.stringData;
  },
  validate(secret, old) {
    const causes = [
      ...validateEncoded(secret.data, "data"),
      ...validateSecretKeys(secret),
      ...validateImmutable(secret, old, ["data", "type"]),
    ];
    if (old && old.type !== secret.type) causes.push(immutableField("type", secret.type));
    return causes;
  },
};

const leaseBehaviour: Behaviour = {
  validate(lease) {
    const seconds = isObject(lease.spec) ? lease.spec.leaseDurationSeconds : undefined;
    if (typeof seconds !== "number" || seconds > 0) return [];
    const message = `Invalid value: ${seconds}: must be greater than 0`;
    return [{ reason: "FieldValueInvalid", message, field: "spec.leaseDurationSeconds" }];
  },
};

const configMapBehaviour: Behaviour = {
  allowsUnconditionalUpdate: true,
  validate(configMap, old) {
    return [
      ...validateEncoded(configMap.binaryData, "binaryData"),
      ...validateKeys(configMap.data, "data"),
      ...validateImmutable(configMap, old, ["data", "binaryData"]),
    ];
  },
};

function validateEncoded(data: unknown, field: string): Cause[] {
  const causes = validateKeys(data, field);
  for (const [key, value] of Object.entries(isObject(data) ? data : {})) {
    if (typeof value === "string" && base64.test(value)) continue;
    // The value stays out of the message: it may be somebody's password in clear text.
    causes.push({ reason: "FieldValueInvalid", message: "Invalid value: must be base64", field: `${field}[${key}]` });
  }
  return causes;
}

function validateKeys(data: unknown, field: string): Cause[] {
  if (!isObject(data)) return [];
  const causes: Cause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    bytes += String(value).length;
    if (dataKey.test(key)) continue;
    const message = `Invalid value: ${JSON.stringify(key)}: a valid config key must consist of alphanumeric characters, '-', '_' or '.'`;
    causes.push({ reason: "FieldValueInvalid", message, field: `${field}[${key}]` });
  }
  if (bytes > maximumDataBytes) {
    const message = `Too long: must have at most ${maximumDataBytes} bytes`;
    causes.push({ reason: "FieldValueTooLong", message, field });
  }
  return causes;
}

function validateImmutable(object: KubernetesObject, old: KubernetesObject | undefined, fields: string[]): Cause[] {
  if (old?.immutable !== true) return [];
  const changed = [...fields, "immutable"].filter((field) => !isDeepStrictEqual(object[field], old[field]));
  return changed.map((field) => ({
    reason: "FieldValueForbidden",
    message: "Forbidden: field is immutable when `immutable` is set",
    field,
  }));
}

function immutableField(field: string, value: unknown): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: field is immutable`, field };
}

/** By `plural.group`, or plural for the core group. Kinds that are not here do nothing beyond their schema. */
export const builtInBehaviours: Record<string, Behaviour> = {
  namespaces: namespaceBehaviour,
  secrets: secretBehaviour,
  configmaps: configMapBehaviour,
  "leases.coordination.k8s.io": leaseBehaviour,
  events: coreEventBehaviour,
  "events.events.k8s.io": eventBehaviour,
};
