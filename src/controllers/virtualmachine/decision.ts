import type { virtualMachineReasons } from "../../api/conditions.ts";

/** A condition without its type. */
export interface Statement {
  status: "True" | "False" | "Unknown";
  reason: keyof typeof virtualMachineReasons;
  message: string;
}

/** What status shall say. What is absent stays as it is. */
export interface Verdict {
  phase: string;
  /** Where an agent says it is. */
  hostName?: string | undefined;
  /** The boot in which that host holds it. */
  bootId?: string | undefined;
  placed?: Statement | undefined;
  running?: Statement | undefined;
}

/** The one step to take now. */
export type Step =
  | { do: "Nothing" }
  /** Record the grant, after the host that had it without using it has given it up, and start. */
  | {
      do: "Grant";
      hostName: string;
      epoch: number;
      /** The scheduler chose the host: recorded as its assignment. */
      byScheduler: boolean;
      surrenderFrom: string | undefined;
      /** It ran before and is started anew. */
      restarts?: boolean;
    }
  /** Start under the grant that is recorded. */
  | { do: "Start"; hostName: string; epoch: number }
  | { do: "Stop"; hostName: string }
  /** `migrationId`: a migration that was prepared with it, of which no object knows. */
  | { do: "Adopt"; hostName: string; guestUid: string; epoch: number; migrationId?: string | undefined }
  | { do: "Migrate"; from: string; to: string; epoch: number; stateBytes: number }
  | { do: "Discard"; hostNames: string[] }
  /** Nothing is left of it, or it is left on purpose: the object may go. */
  | { do: "Release" };

export interface Decision {
  step: Step;
  verdict: Verdict;
  event?: { type: "Normal" | "Warning"; reason: string; message: string } | undefined;
  requeueAfterMilliseconds?: number;
}

export function statement(status: Statement["status"], reason: Statement["reason"], message: string): Statement {
  return { status, reason, message };
}

export function nothing(verdict: Verdict): Decision {
  return { step: { do: "Nothing" }, verdict };
}
