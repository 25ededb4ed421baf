import type { KubernetesObject } from "./object.ts";
import type {
  OverheadModelSpec,
  OverheadModelStatus,
  ReservationSpec,
  ReservationStatus,
  VirtualMachineSpec,
  VirtualMachineStatus,
  VMHostSpec,
  VMHostStatus,
} from "./types.gen.ts";

/** Where the objects of one kind are found. The type parameter ties it to their type. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: T["kind"];
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface VMHost extends KubernetesObject {
  kind: "VMHost";
  spec: VMHostSpec;
  status?: VMHostStatus;
}

export interface VirtualMachine extends KubernetesObject {
  kind: "VirtualMachine";
  spec: VirtualMachineSpec;
  status?: VirtualMachineStatus;
}

export interface Reservation extends KubernetesObject {
  kind: "Reservation";
  spec: ReservationSpec;
  status?: ReservationStatus;
}

export interface OverheadModel extends KubernetesObject {
  kind: "OverheadModel";
  spec?: OverheadModelSpec;
  status?: OverheadModelStatus;
}

export interface Secret extends KubernetesObject {
  kind: "Secret";
  type?: string;
  /** Values in base64. */
  data?: Record<string, string>;
}

export interface ConfigMap extends KubernetesObject {
  kind: "ConfigMap";
  data?: Record<string, string>;
}

export interface Namespace extends KubernetesObject {
  kind: "Namespace";
}

export interface CoreEvent extends KubernetesObject {
  kind: "Event";
  involvedObject: { apiVersion: string; kind: string; name: string; namespace?: string; uid?: string };
  reason: string;
  message: string;
  type: "Normal" | "Warning";
  count?: number;
  firstTimestamp?: string;
  lastTimestamp?: string;
  source?: { component?: string; host?: string };
  reportingComponent?: string;
  reportingInstance?: string;
}

const group = "vacate.dev";
const version = "v1alpha1";
/** The `apiVersion` of Vacate's own kinds. */
export const vacateApiVersion = `${group}/${version}`;

export const vmHosts: Resource<VMHost> = { group, version, kind: "VMHost", plural: "vmhosts", namespaced: false };
export const virtualMachines: Resource<VirtualMachine> = {
  group,
  version,
  kind: "VirtualMachine",
  plural: "virtualmachines",
  namespaced: true,
};
export const reservations: Resource<Reservation> = {
  group,
  version,
  kind: "Reservation",
  plural: "reservations",
  namespaced: true,
};
export const overheadModels: Resource<OverheadModel> = {
  group,
  version,
  kind: "OverheadModel",
  plural: "overheadmodels",
  namespaced: false,
};
export const secrets: Resource<Secret> = {
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
};
export const configMaps: Resource<ConfigMap> = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};
export const namespaces: Resource<Namespace> = {
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
};
export const events: Resource<CoreEvent> = {
  group: "",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};
