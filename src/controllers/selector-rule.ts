import type { LabelSelector } from "../api/label-selector.ts";

/**
 * What is wrong with a selector's expressions; undefined when they are right. A server without CEL lets through those
 * that say nothing.
 */
export function invalidSelector(field: string, selector: LabelSelector | undefined): string | undefined {
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    const needsValues = operator === "In" || operator === "NotIn";
    if (needsValues === values.length > 0) continue;
    const problem = needsValues ? "needs values" : "takes no values";
    return `${field}.matchExpressions: operator ${operator} of key ${key} ${problem}`;
  }
  return undefined;
}
