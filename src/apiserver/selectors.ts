import type { KubernetesObject } from "./resource.ts";
import { badRequest } from "./status.ts";

/** The fields of an object that a field selector may name, with their values. */
export type SelectableFields = Record<string, string>;

type Requirement = (labels: Record<string, string>) => boolean;

const labelName = "[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?";
const keyPattern = `(?:${labelName}/)?${labelName}`;
const valuePattern = `(?:${labelName})?`;
const equalityPattern = new RegExp(`^(${keyPattern})\\s*(==|=|!=)\\s*(${valuePattern})$`);
const setPattern = new RegExp(`^(${keyPattern})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const existsPattern = new RegExp(`^(!?)\\s*(${keyPattern})$`);
const valueOnly = new RegExp(`^${valuePattern}$`);

/**
 * Parses a label selector such as `app=web,tier in (a, b),!debug`.
 *
 * @throws StatusError 400 that names the part which cannot be read
 */
export function parseLabelSelector(selector: string): (labels: Record<string, string>) => boolean {
  const requirements = splitOutsideParentheses(selector).map((part) => parseRequirement(part, selector));
  return (labels) => requirements.every((requirement) => requirement(labels));
}

function parseRequirement(part: string, selector: string): Requirement {
  const equality = equalityPattern.exec(part);
  if (equality) {
    const [, key = "", operator, value = ""] = equality;
    return operator === "!=" ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const set = setPattern.exec(part);
  if (set) return parseSetRequirement(set[1] ?? "", set[2] ?? "", set[3] ?? "", selector);
  const exists = existsPattern.exec(part);
  if (exists) {
    const [, negated, key = ""] = exists;
    return negated ? (labels) => labels[key] === undefined : (labels) => labels[key] !== undefined;
  }
  throw badRequest(`unable to parse requirement: label selector "${selector}": cannot read "${part}"`);
}

function parseSetRequirement(key: string, operator: string, list: string, selector: string): Requirement {
  const values = new Set(list.split(",").map((value) => value.trim()));
  for (const value of values) {
    if (valueOnly.test(value)) continue;
    throw badRequest(`unable to parse requirement: label selector "${selector}": "${value}" is not a label value`);
  }
  if (operator === "in") return (labels) => labels[key] !== undefined && values.has(labels[key]);
  return (labels) => labels[key] === undefined || !values.has(labels[key]);
}

function splitOutsideParentheses(selector: string): string[] {
  const parts = selector.split(/,(?![^(]*\))/).map((part) => part.trim());
  return parts.length === 1 && parts[0] === "" ? [] : parts;
}

/**
 * Parses a field selector such as `metadata.name=a,reason!=Failed`. Only the fields in `known` may be named.
 *
 * @throws StatusError 400 that names the unknown field or the part which cannot be read
 */
export function parseFieldSelector(selector: string, known: string[]): (fields: SelectableFields) => boolean {
  const parts = selector
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const requirements = parts.map((part) => {
    const match = /^([^=!]+?)(==|=|!=)(.*)$/.exec(part);
    if (!match) throw badRequest(`invalid selector: "${selector}"; can't understand "${part}"`);
    const [, field = "", operator, value = ""] = match;
    if (!known.includes(field)) throw badRequest(`field label not supported: ${field}`);
    return (fields: SelectableFields) => (operator === "!=") !== ((fields[field] ?? "") === value);
  });
  return (fields) => requirements.every((requirement) => requirement(fields));
}

/** A selector over whole objects, made from a request's `labelSelector` and `fieldSelector`. */
export type ObjectSelector = (object: KubernetesObject) => boolean;

/**
 * @param fieldPaths the fields a field selector may name besides metadata.name and metadata.namespace,
 *   as dotted paths into the object
 * @throws StatusError 400 when one of the selectors cannot be read
 */
export function parseSelectors(
  labelSelector: string | null,
  fieldSelector: string | null,
  fieldPaths: string[],
): ObjectSelector | undefined {
  const known = ["metadata.name", "metadata.namespace", ...fieldPaths];
  const byLabels = labelSelector ? parseLabelSelector(labelSelector) : undefined;
  const byFields = fieldSelector ? parseFieldSelector(fieldSelector, known) : undefined;
  if (!byLabels && !byFields) return undefined;
  return (object) =>
    (byLabels?.(object.metadata.labels ?? {}) ?? true) && (byFields?.(selectableFields(object, known)) ?? true);
}

function selectableFields(object: KubernetesObject, paths: string[]): SelectableFields {
  const fields: SelectableFields = {};
  for (const path of paths) fields[path] = fieldAt(object, path);
  return fields;
}

function fieldAt(object: unknown, path: string): string {
  let value = object;
  for (const step of path.split(".")) {
    if (typeof value !== "object" || value === null) return "";
    value = (value as Record<string, unknown>)[step];
  }
  return value === undefined || value === null ? "" : String(value);
}
