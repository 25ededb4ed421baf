import type { PlanView } from "./plan-view.ts";
import { time } from "./text.ts";

/** The plan for programs. Times are RFC 3339, durations seconds rounded to milliseconds, sizes bytes. */
export function planJson(view: PlanView): object {
  const { reservation, hosts, planHash, parallelMigrations, confidence, onTimeTarget } = view;
  return {
    ...{ feasible: true, reservation, hosts, planHash, parallelMigrations, confidence },
    window: { start: time(view.windowStart), end: time(view.windowEnd) },
    startBy: time(view.startBy),
    begin: time(view.begin),
    earliestStart: time(view.earliestStart),
    onTime: { target: onTimeTarget, probability: rounded(view.onTimeProbability) },
    predictedSeconds: rounded(view.predictedSeconds),
    allowanceSeconds: rounded(view.allowanceSeconds),
    downtimeSeconds: rounded(view.downtimeSeconds),
    moves: view.moves.map((move) =>
      Object.fromEntries(
        Object.entries(move).map(([field, value]) => [field, typeof value === "number" ? rounded(value) : value]),
      ),
    ),
    warnings: view.warnings,
    explanation: view.explanation,
  };
}

/** A refusal for programs. */
export function refusalJson(
  reservation: string,
  refusal: { reason: string; message: string; fitsFrom?: Date },
): object {
  const { reason, message, fitsFrom } = refusal;
  return { feasible: false, reservation, reason, message, ...(fitsFrom && { fitsFrom: time(fitsFrom) }) };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
