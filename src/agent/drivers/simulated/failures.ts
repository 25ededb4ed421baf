import type { AgentReason } from "../../protocol/types.ts";
import { DriverError } from "../driver.ts";

export type SimulatedOperation = "boot" | "suspend" | "read" | "prepareIncoming" | "write" | "load" | "resume";

/** Makes an operation fail. */
export interface SimulatedFailure {
  operation: SimulatedOperation;
  /** Only for this guest; left out, for any. */
  uid?: string;
  reason: AgentReason;
  /** How often; default once. */
  times?: number;
}

/** The failures still to come. */
export class Failures {
  readonly #left: { failure: SimulatedFailure; times: number }[];

  constructor(failures: SimulatedFailure[]) {
    this.#left = failures.map((failure) => ({ failure, times: failure.times ?? 1 }));
  }

  /** @throws DriverError when one is due */
  strike(operation: SimulatedOperation, uid: string): void {
    const due = this.#left.find(
      ({ failure, times }) => times > 0 && failure.operation === operation && (failure.uid ?? uid) === uid,
    );
    if (!due) return;
    due.times -= 1;
    throw new DriverError(due.failure.reason, `simulated failure of ${operation} of ${uid}`);
  }
}
