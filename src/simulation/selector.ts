import type { KubernetesObject } from "../api/object.ts";

interface Selection {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

/** Whether the object is selected; selectors of the forms `a=b` and `a!=b`, joined by commas. Throws on any other. */
export function selects(object: KubernetesObject, selection: Selection): boolean {
  const { namespace, labelSelector, fieldSelector } = selection;
  if (namespace !== undefined && object.metadata.namespace !== namespace) return false;
  if (labelSelector && !holds(labelSelector, (label) => object.metadata.labels?.[label])) return false;
  return !fieldSelector || holds(fieldSelector, (path) => field(object, path));
}

function holds(selector: string, read: (name: string) => unknown): boolean {
  return selector.split(",").every((term) => {
    const parts = /^([^=!]+?)(==?|!=)([^=!]*)$/.exec(term.trim());
    if (parts === null) throw new Error(`selector ${JSON.stringify(term)} is not supported; use a=b or a!=b`);
    const equal = String(read(parts[1] as string) ?? "") === parts[3];
    return parts[2] === "!=" ? !equal : equal;
  });
}

function field(object: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], object);
}
