/** Kubernetes' label selector. */
export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: "In" | "NotIn" | "Exists" | "DoesNotExist"; values?: string[] }[];
}

/** Whether the labels meet every requirement. An absent or empty selector matches everything. */
export function matchesLabels(selector: LabelSelector | undefined, labels: Record<string, string> = {}): boolean {
  const has = (key: string) => Object.hasOwn(labels, key);
  const equal = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => has(key) && labels[key] === value);
  if (!equal) return false;
  return (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    if (operator === "Exists") return has(key);
    if (operator === "DoesNotExist") return !has(key);
    const isListed = has(key) && values.includes(labels[key] ?? "");
    return operator === "In" ? isListed : !isListed;
  });
}
