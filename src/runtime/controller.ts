import type { KubernetesObject, ObjectKey } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";
import type { Reconciler } from "./reconciler.ts";

/** A secondary resource whose changes concern the objects of a controller. */
export interface SecondaryWatch<W extends KubernetesObject = KubernetesObject> {
  resource: Resource<W>;
  /**
   * Which keys to reconcile when an object of this resource was added, changed or deleted. `oldObject` is absent for
   * an added one; a deleted one comes as both. Must not throw and must not wait.
   */
  mapToKeys(object: W, oldObject: W | undefined): readonly ObjectKey[];
}

/** Ties the resource to its mapping, so that `mapToKeys` sees the right type. */
export function watches<W extends KubernetesObject>(
  resource: Resource<W>,
  mapToKeys: SecondaryWatch<W>["mapToKeys"],
): SecondaryWatch {
  return { resource, mapToKeys } as unknown as SecondaryWatch;
}

export interface ControllerOptions {
  /** Lower case; a label of metrics and logs. */
  name: string;
  /** What it reconciles; every object of it is reconciled once after the start. */
  resource: Resource;
  reconcile: Reconciler;
  /** Keys reconciled at the same time; 1 when absent. */
  workers?: number;
  /** Then the reconcile's signal is aborted; 60 when absent. */
  reconcileTimeoutSeconds?: number;
  watches?: readonly SecondaryWatch[];
}

/** What a controller is to those who have news for it, such as the events of agents. */
export interface KeyedController {
  readonly name: string;
  /** Reconciles the key soon, however often it is asked for meanwhile. */
  enqueue(key: ObjectKey): void;
}
