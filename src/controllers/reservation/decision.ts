import { reservationReasons as reasons, type reservationConditions } from "../../api/conditions.ts";
import type { Condition } from "../../api/object.ts";
import type { VirtualMachine } from "../../api/resources.ts";
import type { ReservationStatus } from "../../api/types.gen.ts";
import { type ConditionInput, findCondition, isTrue, setCondition } from "../../runtime/condition.ts";
import type { Assignment, Hold } from "./view.ts";

export type Action =
  /** Writes this reservation's entry among the host's holds. */
  | { do: "Hold"; hostName: string; hold: Hold }
  | { do: "Release"; hostName: string }
  /** Null takes the assignment away. */
  | { do: "Assign"; vm: VirtualMachine; assignment: Assignment | null }
  | { do: "RemoveFinalizer" };

export type AssignAction = Extract<Action, { do: "Assign" }>;

/** What to do now. Actions come first, in their order; then the status is written. */
export interface Decision {
  actions: Action[];
  status: ReservationStatus;
  /** What was done besides, worth an event. */
  announcements?: Announcement[];
  /** Decide again after so many seconds; absent waits for a change. */
  requeueAfterSeconds?: number;
}

type Conditions = NonNullable<ReservationStatus["conditions"]>;
export type ConditionType = keyof typeof reservationConditions;

/** Builds the next status: a copy of the present one, changed step by step. */
export class StatusDraft {
  readonly status: ReservationStatus;
  readonly #now: Date;
  readonly #generation: number | undefined;

  constructor(present: ReservationStatus | undefined, now: Date, generation: number | undefined) {
    this.status = structuredClone(present ?? {});
    this.#now = now;
    this.#generation = generation;
  }

  set(type: ConditionType, status: Condition["status"], reason: string, message: string): void {
    const observed = this.#generation === undefined ? {} : { observedGeneration: this.#generation };
    const input: ConditionInput = { type, status, reason, message, ...observed };
    // Every condition set here has a message, so all of them do.
    this.status.conditions = setCondition(this.status.conditions, input, this.#now) as Conditions;
  }

  remove(type: ConditionType): void {
    const { conditions } = this.status;
    if (conditions) this.status.conditions = conditions.filter((condition) => condition.type !== type);
  }

  isTrue(type: ConditionType): boolean {
    return isTrue(this.status.conditions, type);
  }

  reason(type: ConditionType): string | undefined {
    return findCondition(this.status.conditions, type)?.reason;
  }

  /** The status with everything that is derived from the rest. */
  finish(): ReservationStatus {
    if (this.#generation !== undefined) {
      this.status.observedGeneration = this.#generation;
      // A spec edit that changes nothing about a condition still was seen.
      for (const condition of this.status.conditions ?? []) condition.observedGeneration = this.#generation;
    }
    this.status.phase = phaseOf(this.status);
    return this.status;
  }
}

/** For people only; no code reads it. */
function phaseOf(status: ReservationStatus): string {
  const holds = (type: ConditionType) => isTrue(status.conditions, type);
  const reasonOf = (type: ConditionType) => findCondition(status.conditions, type)?.reason;
  if (holds("Completed")) return "Completed";
  if (reasonOf("Completed") === "Returning") return "Returning";
  if (holds("Active")) return "Active";
  if (holds("Vacated")) return "Vacated";
  if (status.vacatingSince !== undefined) return "Vacating";
  if (holds("Planned")) return "Planned";
  if (holds("Admitted")) return "Admitted";
  return findCondition(status.conditions, "Admitted")?.status === "False" ? "Refused" : "Pending";
}

export interface Announcement {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
}

/** The events that tell people what a change of status means: every transition once. */
export function announcements(before: ReservationStatus | undefined, after: ReservationStatus): Announcement[] {
  return (after.conditions ?? []).flatMap((condition) => {
    const old = findCondition(before?.conditions, condition.type);
    if (old?.status === condition.status && old.reason === condition.reason) return [];
    const severity = severityOf(condition, old);
    return severity ? [{ type: severity, reason: condition.reason, message: condition.message }] : [];
  });
}

/** Reasons that are bad news whatever they are told of. */
const badNews: ReadonlySet<string> = new Set([reasons.GaveUp, reasons.PlanStale]);

function severityOf(condition: Conditions[number], old: Condition | undefined): Announcement["type"] | undefined {
  const wasTrue = old?.status === "True";
  if (badNews.has(condition.reason)) return "Warning";
  switch (condition.type) {
    case "AtRisk":
      if (condition.status === "True") return "Warning";
      return wasTrue ? "Normal" : undefined;
    case "Admitted":
    case "Planned":
      return condition.status === "True" ? "Normal" : "Warning";
    case "Vacated":
      if (condition.status === "True" || condition.reason === "Vacating") return wasTrue ? "Warning" : "Normal";
      return wasTrue || condition.reason === "HostNotAnswering" ? "Warning" : undefined;
    case "Approved":
      return "Normal";
    default:
      return condition.status === "True" || condition.reason === "Returning" ? "Normal" : undefined;
  }
}
