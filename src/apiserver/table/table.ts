import type { KubernetesObject, ObjectMeta, PrinterColumn, ResourceDefinition } from "../resource.ts";
import { humanAge } from "./human-age.ts";
import { compileJsonPath, type JsonPath } from "./json-path.ts";

/** What a row carries beside its cells. */
export type IncludeObject = "None" | "Metadata" | "Object";

type Cell = string | number | boolean | null;

interface TableColumn {
  name: string;
  type: string;
  format: string;
  description: string;
  priority: number;
}

interface PartialObjectMetadata {
  apiVersion: string;
  kind: "PartialObjectMetadata";
  metadata: ObjectMeta;
}

interface TableRow {
  cells: Cell[];
  object: KubernetesObject | PartialObjectMetadata | null;
}

/** The answer to `kubectl get`: the server lays out the columns. `metadata` is the list's, for the caller to fill in. */
export interface Table {
  apiVersion: string;
  kind: "Table";
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: TableColumn[];
  rows: TableRow[];
}

const nameColumn: PrinterColumn = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name of the object, unique among its kind within a namespace.",
  jsonPath: ".metadata.name",
};

const ageColumn: PrinterColumn = {
  name: "Age",
  type: "date",
  description: "Time since the object was created.",
  jsonPath: ".metadata.creationTimestamp",
};

/**
 * Lays objects of one kind out as a Table: the name, then the columns of the definition (the age when it has none).
 * A column without a value is null, which kubectl shows as `<none>`; dates become ages at the time `now`.
 *
 * @param version the version of meta.k8s.io that the client asked for
 * @throws Error when a column's JSONPath is not understood
 */
export function toTable(
  definition: ResourceDefinition,
  objects: readonly KubernetesObject[],
  includeObject: IncludeObject,
  now: Date,
  version: "v1" | "v1beta1" = "v1",
): Table {
  const columns = columnsOf(definition);
  return {
    apiVersion: `meta.k8s.io/${version}`,
    kind: "Table",
    metadata: {},
    columnDefinitions: columns.map(({ column }) => ({
      name: column.name,
      type: column.type,
      format: column.format ?? "",
      description: column.description ?? "",
      priority: column.priority ?? 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map(({ column, path }) => cell(column, path, object, now)),
      object: rowObject(object, includeObject, version),
    })),
  };
}

interface CompiledColumn {
  column: PrinterColumn;
  path: JsonPath | undefined;
}

const compiledColumns = new WeakMap<ResourceDefinition, CompiledColumn[]>();

function columnsOf(definition: ResourceDefinition): CompiledColumn[] {
  const known = compiledColumns.get(definition);
  if (known) return known;
  const declared = definition.printerColumns.length > 0 ? definition.printerColumns : [ageColumn];
  const named = declared.some((column) => column.format === "name") ? declared : [nameColumn, ...declared];
  const columns = named.map((column) => ({
    column,
    path: column.jsonPath === undefined ? undefined : compileJsonPath(column.jsonPath),
  }));
  compiledColumns.set(definition, columns);
  return columns;
}

function cell(column: PrinterColumn, path: JsonPath | undefined, object: KubernetesObject, now: Date): Cell {
  if (!path) return column.value?.(object, now) ?? null;
  const values = path(object);
  const first = values[0];
  if (first === undefined || first === null) return null;
  switch (column.type) {
    case "integer":
      return typeof first === "number" ? Math.trunc(first) : null;
    case "number":
      return typeof first === "number" ? first : null;
    case "boolean":
      return typeof first === "boolean" ? first : null;
    case "date":
      return humanAge(first, now);
    default:
      return values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(" ");
  }
}

function rowObject(object: KubernetesObject, include: IncludeObject, version: string): TableRow["object"] {
  if (include === "None") return null;
  if (include === "Object") return object;
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}
