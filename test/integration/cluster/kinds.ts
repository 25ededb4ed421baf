import type { JsonObject } from "../../../src/apiserver/resource.ts";

/** A kind that kubectl has to work with, with a good object and what to expect of it. */
export interface KindUnderTest {
  kind: string;
  apiVersion: string;
  resource: string;
  shortName: string;
  namespaced: boolean;
  /** Everything of a good object but apiVersion, kind and metadata. `namespace` is where it will live. */
  body: (namespace: string) => JsonObject;
  /** A change of it as a merge patch; where it is found afterwards; and its value. */
  change: { patch: JsonObject; jsonPath: string; value: string };
  /** Columns of `kubectl get`, and those that `-o wide` adds. */
  columns: string[];
  wideColumns: string[];
  /** A field, and words of its description; none where every server has words of its own. */
  explain: { field: string; text?: string };
  /** The kinds of this project report conditions. */
  hasConditions: boolean;
  isBuiltIn: boolean;
}

const hostKey = `ssh-ed25519 ${"A".repeat(68)}`;
const ours = { apiVersion: "vacate.dev/v1alpha1", hasConditions: true, isBuiltIn: false };
const core = { apiVersion: "v1", hasConditions: false, isBuiltIn: true, namespaced: true, wideColumns: [] };

export const projectKinds: KindUnderTest[] = [
  {
    ...ours,
    kind: "VMHost",
    resource: "vmhosts",
    shortName: "vmh",
    namespaced: false,
    body: () => ({ spec: { address: "192.0.2.1", hostKey, identitySecretName: "identity" } }),
    change: { patch: { spec: { unschedulable: true } }, jsonPath: "{.spec.unschedulable}", value: "true" },
    columns: ["NAME", "READY", "REASON", "VMS", "CPUS", "MEMORY", "HELD-BY", "HELD-FROM", "AGE"],
    wideColumns: ["ADDRESS", "DRIVER", "STATE"],
    explain: { field: "spec.hostKey", text: "The host's public SSH key" },
  },
  {
    ...ours,
    kind: "VirtualMachine",
    resource: "virtualmachines",
    shortName: "vvm",
    namespaced: true,
    body: () => ({ spec: { cpus: 1, memory: "512Mi", disk: { image: "busybox" } } }),
    change: { patch: { spec: { hostName: "host-b" } }, jsonPath: "{.spec.hostName}", value: "host-b" },
    columns: ["NAME", "HOST", "PHASE", "TO", "MEMORY", "AGE"],
    wideColumns: ["HOME", "HELD-BY"],
    explain: { field: "spec.hostName", text: "Its home, the VMHost where it belongs" },
  },
  {
    ...ours,
    kind: "Reservation",
    resource: "reservations",
    shortName: "rsv",
    namespaced: true,
    body: () => ({ spec: { hosts: { count: 2 }, window: { start: "2035-01-31T09:00:00Z", duration: "90m" } } }),
    change: { patch: { spec: { hosts: { count: 3 } } }, jsonPath: "{.spec.hosts.count}", value: "3" },
    columns: ["NAME", "HOSTS", "WINDOW", "START-BY", "PHASE", "ON-TIME", "MOVED", "AGE"],
    wideColumns: ["LEAD", "DURATION"],
    explain: { field: "spec.window.duration", text: "Length of the window" },
  },
  {
    ...ours,
    kind: "OverheadModel",
    resource: "overheadmodels",
    shortName: "vom",
    namespaced: false,
    body: () => ({ spec: { historySize: 50 } }),
    change: { patch: { spec: { historySize: 60 } }, jsonPath: "{.spec.historySize}", value: "60" },
    columns: ["NAME", "OBSERVATIONS", "ERROR", "BIAS", "COPY-RATE", "AGE"],
    wideColumns: [],
    explain: { field: "spec.historySize", text: "Number of latest observations" },
  },
];

const kindsOfEveryServer: KindUnderTest[] = [
  {
    ...core,
    kind: "Namespace",
    resource: "namespaces",
    shortName: "ns",
    namespaced: false,
    body: () => ({}),
    change: {
      patch: { metadata: { labels: { color: "green" } } },
      jsonPath: "{.metadata.labels.color}",
      value: "green",
    },
    columns: ["NAME", "STATUS", "AGE"],
    explain: { field: "status.phase" },
  },
  {
    ...core,
    kind: "Secret",
    resource: "secrets",
    shortName: "secret",
    body: () => ({ type: "Opaque", data: { key: "b25l" } }),
    change: { patch: { data: { key: "dHdv" } }, jsonPath: "{.data.key}", value: "dHdv" },
    columns: ["NAME", "TYPE", "DATA", "AGE"],
    explain: { field: "data" },
  },
  {
    ...core,
    kind: "ConfigMap",
    resource: "configmaps",
    shortName: "cm",
    body: () => ({ data: { key: "one" } }),
    change: { patch: { data: { key: "two" } }, jsonPath: "{.data.key}", value: "two" },
    columns: ["NAME", "DATA", "AGE"],
    explain: { field: "data" },
  },
  {
    ...core,
    kind: "Event",
    resource: "events",
    shortName: "ev",
    body: (namespace) => ({
      type: "Normal",
      reason: "Tried",
      message: "first words",
      involvedObject: { apiVersion: "v1", kind: "ConfigMap", name: "subject", namespace },
      source: { component: "test" },
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:00:00Z",
      count: 1,
    }),
    change: { patch: { message: "other words" }, jsonPath: "{.message}", value: "other words" },
    columns: ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
    wideColumns: ["SUBOBJECT", "SOURCE", "FIRST SEEN", "COUNT", "NAME"],
    explain: { field: "message" },
  },
];

export const allKinds: KindUnderTest[] = [...projectKinds, ...kindsOfEveryServer];

/** A good object of the kind. */
export function manifest(kind: KindUnderTest, name: string, namespace: string, more: JsonObject = {}): JsonObject {
  const metadata = { name, ...(kind.namespaced && { namespace }), ...more };
  return { apiVersion: kind.apiVersion, kind: kind.kind, metadata, ...kind.body(namespace) };
}

/** The same object with the kind's change made. */
export function changed(kind: KindUnderTest, original: JsonObject): JsonObject {
  return merge(original, kind.change.patch) as JsonObject;
}

function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: JsonObject = { ...(target as JsonObject) };
  for (const [name, value] of Object.entries(patch)) result[name] = merge(result[name], value);
  return result;
}
