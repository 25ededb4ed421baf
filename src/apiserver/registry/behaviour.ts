import type { KubernetesObject } from "../resource.ts";
import type { Cause } from "../status.ts";

/** What a kind does beyond its schema. All functions are pure and may change only the object that they prepare. */
export interface Behaviour {
  /** From the served to the stored form, and back; for kinds with two views of one store. */
  toStored?: (object: KubernetesObject) => KubernetesObject;
  fromStored?: (object: KubernetesObject) => KubernetesObject;
  /** Sets what the server decides, in place. `old` is absent on create. */
  prepare?: (object: KubernetesObject, old: KubernetesObject | undefined) => void;
  validate?: (object: KubernetesObject, old: KubernetesObject | undefined) => Cause[];
  /** Called when deletion begins, in place. */
  beginDeletion?: (object: KubernetesObject) => void;
  /** What has to be done before the object can go, besides metadata.finalizers. */
  finalizers?: (object: KubernetesObject) => string[];
  /** Fields a field selector may name, besides metadata.name and metadata.namespace. */
  selectableFields?: string[];
  /** Whether PUT works without a resourceVersion. */
  allowsUnconditionalUpdate?: boolean;
  /** Whether names follow the stricter rule of DNS labels. */
  nameIsLabel?: boolean;
}
