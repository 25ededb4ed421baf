import { formatKey, type KubernetesObject, keyOf } from "../../src/api/object.ts";
import type { EventRecorder } from "../../src/runtime/event-recorder.ts";
import { createLog } from "../../src/runtime/log.ts";
import type { ReconcileContext } from "../../src/runtime/reconciler.ts";

/** Keeps events as `Type Reason namespace/name: message`. */
export class RecordingEvents implements EventRecorder {
  readonly recorded: string[] = [];

  record(object: KubernetesObject, type: "Normal" | "Warning", reason: string, message: string): void {
    this.recorded.push(`${type} ${reason} ${formatKey(keyOf(object))}: ${message}`);
  }
}

/** A context to call a reconciler with, directly. */
export function reconcileContext(overrides: Partial<ReconcileContext> = {}): ReconcileContext {
  return {
    signal: new AbortController().signal,
    log: createLog({ level: "silent" }),
    reconcileId: "test",
    wroteStatus: () => {},
    ...overrides,
  };
}
