import type { KubernetesObject } from "../api/object.ts";

/** Tells people what happened to an object: what `kubectl describe` shows below it. */
export interface EventRecorder {
  /**
   * Writes in the background and never fails the caller. `reason` is CamelCase and stable, the message a sentence for
   * people without secrets. The same event again within ten minutes counts up; one object's flood is cut.
   */
  record(object: KubernetesObject, type: "Normal" | "Warning", reason: string, message: string): void;
}
