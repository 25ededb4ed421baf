import type { KubernetesObject, ObjectKey } from "../api/object.ts";
import type { Log } from "./log.ts";

export interface ReconcileContext {
  /** Aborted when the reconcile takes longer than allowed, or when the controller stops. Pass it to everything that waits. */
  readonly signal: AbortSignal;
  /** Carries the controller, the key and the reconcile id on every line. */
  readonly log: Log;
  readonly reconcileId: string;
  /**
   * Says that this reconcile turned `before` into `after` by a write of status alone, so that the watch event of just
   * that step does not start another reconcile. `patchStatus` calls it. Objects of other kinds are ignored.
   */
  wroteStatus(before: KubernetesObject, after: KubernetesObject): void;
}

export interface ReconcileResult {
  /** Reconcile again after this many seconds, zero or more, however far away; absent waits for the next change. */
  requeueAfterSeconds?: number;
}

/**
 * Brings one object closer to what it should be. Level-triggered: it is told which object, never what happened to it,
 * so it reads the present state (the object may be gone by now), decides and acts; called twice it does nothing the
 * second time. One key is never reconciled twice at once.
 *
 * A thrown `TerminalError` is not tried again until something changes; a conflict (409) is tried again shortly and
 * quietly; any other error is tried again with exponential backoff.
 */
export type Reconciler = (key: ObjectKey, context: ReconcileContext) => Promise<ReconcileResult>;

/** An error that trying again cannot heal, such as a spec that makes no sense. The next change of the object retries. */
export class TerminalError extends Error {
  override readonly name = "TerminalError";
}

/** The abort reason of a reconcile that took longer than its controller allows. */
export class ReconcileTimeoutError extends Error {
  override readonly name = "ReconcileTimeoutError";

  constructor(controller: string, seconds: number) {
    super(`reconcile of controller ${controller} took longer than ${seconds} s`);
  }
}
