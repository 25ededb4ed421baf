import type { PrinterColumn, ResourceDefinition, Verb } from "../../src/apiserver/resource.ts";
import { loadDefinitions } from "../../src/cli/custom-resource-definitions.ts";

const allVerbs: Verb[] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/** A definition for tests that care about a few of its fields only. */
export function resourceDefinition(changes: Partial<ResourceDefinition> = {}): ResourceDefinition {
  return {
    group: "example.dev",
    version: "v1",
    kind: "Thing",
    listKind: "ThingList",
    plural: "things",
    singular: "thing",
    shortNames: [],
    categories: [],
    namespaced: true,
    hasStatus: true,
    verbs: allVerbs,
    builtIn: false,
    schema: undefined,
    printerColumns: [],
    ...changes,
  };
}

/** The project's own definitions, read from crds/. */
export function projectDefinitions(): ResourceDefinition[] {
  return loadDefinitions().map(({ metadata, spec }) => {
    const version = spec.versions[0];
    if (!version) throw new Error(`${metadata.name} has no version`);
    return resourceDefinition({
      ...spec.names,
      group: spec.group,
      version: version.name,
      namespaced: spec.scope === "Namespaced",
      schema: version.schema.openAPIV3Schema,
      printerColumns: version.additionalPrinterColumns as unknown as PrinterColumn[],
    });
  });
}

export function projectDefinition(kind: string): ResourceDefinition {
  const found = projectDefinitions().find((definition) => definition.kind === kind);
  if (!found) throw new Error(`crds/ defines no ${kind}`);
  return found;
}
