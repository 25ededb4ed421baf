import type { Condition } from "../api/object.ts";

/** A condition as a controller states it; `setCondition` knows when it last changed. */
export type ConditionInput = Omit<Condition, "lastTransitionTime">;

/**
 * Returns the conditions with one set or added, in their old order. `lastTransitionTime` changes only with the status.
 * Never changes its argument.
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  input: ConditionInput,
  now: Date,
): Condition[] {
  const before = findCondition(conditions, input.type);
  const lastTransitionTime = before?.status === input.status ? before.lastTransitionTime : formatTime(now);
  const after: Condition = { ...input, lastTransitionTime };
  if (before === undefined) return [...(conditions ?? []), after];
  return (conditions ?? []).map((condition) => (condition === before ? after : condition));
}

export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === "True";
}

/** RFC 3339 with whole seconds: what `metav1.Time` keeps. */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
