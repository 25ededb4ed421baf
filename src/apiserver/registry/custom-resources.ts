import { isObject } from "../json.ts";
import type { JsonObject, PrinterColumn, ResourceDefinition, Verb } from "../resource.ts";

/** A CustomResourceDefinition given to the server cannot be served; the message names it and the field. */
export class DefinitionError extends Error {
  readonly reason = "InvalidDefinition";

  constructor(definition: string, message: string) {
    super(`CustomResourceDefinition ${definition}: ${message}`);
    this.name = "DefinitionError";
  }
}

const verbs: Verb[] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const ageColumn: PrinterColumn = {
  name: "Age",
  type: "date",
  description: "Time since the object was created",
  jsonPath: ".metadata.creationTimestamp",
};

/**
 * One served resource for each served version of an apiextensions.k8s.io/v1 CustomResourceDefinition.
 *
 * @throws DefinitionError when something is missing or asks for what this server cannot do
 */
export function readCustomResourceDefinition(manifest: JsonObject): ResourceDefinition[] {
  const metadata = objectAt(manifest, "metadata", "without a name");
  const title = stringAt(metadata, "name", "without a name");
  if (manifest.apiVersion !== "apiextensions.k8s.io/v1" || manifest.kind !== "CustomResourceDefinition") {
    throw new DefinitionError(title, "is not an apiextensions.k8s.io/v1 CustomResourceDefinition");
  }
  const spec = objectAt(manifest, "spec", title);
  const names = objectAt(spec, "names", title);
  const group = stringAt(spec, "group", title);
  const kind = stringAt(names, "kind", title);
  const plural = stringAt(names, "plural", title);
  if (title !== `${plural}.${group}`) {
    throw new DefinitionError(title, `metadata.name must be spec.names.plural + "." + spec.group (${plural}.${group})`);
  }
  if (spec.scope !== "Namespaced" && spec.scope !== "Cluster") {
    throw new DefinitionError(title, `spec.scope must be Namespaced or Cluster, not ${JSON.stringify(spec.scope)}`);
  }
  const versions = listAt(spec, "versions").filter((version) => version.served === true);
  if (versions.length === 0) throw new DefinitionError(title, "spec.versions has no served version");
  return versions.map((version) => ({
    group,
    version: stringAt(version, "name", title),
    kind,
    listKind: typeof names.listKind === "string" ? names.listKind : `${kind}List`,
    plural,
    singular: typeof names.singular === "string" ? names.singular : kind.toLowerCase(),
    shortNames: stringsAt(names, "shortNames"),
    categories: stringsAt(names, "categories"),
    namespaced: spec.scope === "Namespaced",
    hasStatus: hasStatusSubresource(version, title),
    verbs,
    builtIn: false,
    schema: objectAt(objectAt(version, "schema", title), "openAPIV3Schema", title),
    printerColumns: columnsOf(version),
  }));
}

function hasStatusSubresource(version: JsonObject, title: string): boolean {
  const subresources = isObject(version.subresources) ? version.subresources : {};
  if (subresources.scale !== undefined) {
    throw new DefinitionError(title, "subresources.scale is not supported by this server");
  }
  return isObject(subresources.status);
}

function columnsOf(version: JsonObject): PrinterColumn[] {
  const columns = listAt(version, "additionalPrinterColumns") as unknown as PrinterColumn[];
  return columns.length > 0 ? columns : [ageColumn];
}

/** The definition as the server shows it, with the status of an established kind. */
export function establishedDefinition(manifest: JsonObject, now: string): JsonObject {
  const spec = manifest.spec as JsonObject;
  const storage = listAt(spec, "versions").find((version) => version.storage === true);
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: "True",
    lastTransitionTime: now,
    reason,
    message,
  });
  return {
    ...manifest,
    status: {
      acceptedNames: spec.names,
      conditions: [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
      ],
      storedVersions: storage ? [storage.name] : [],
    },
  };
}

function objectAt(parent: JsonObject, field: string, title: string): JsonObject {
  const value = parent[field];
  if (!isObject(value)) throw new DefinitionError(title, `${field} must be an object`);
  return value;
}

function stringAt(parent: JsonObject, field: string, title: string): string {
  const value = parent[field];
  if (typeof value !== "string" || value === "") throw new DefinitionError(title, `${field} must be a string`);
  return value;
}

function listAt(parent: JsonObject, field: string): JsonObject[] {
  const value = parent[field];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function stringsAt(parent: JsonObject, field: string): string[] {
  const value = parent[field];
  return Array.isArray(value) ? value.filter((element) => typeof element === "string") : [];
}
