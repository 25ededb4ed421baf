import { readdirSync, readFileSync } from "node:fs";
import { load } from "js-yaml";
import type { JsonObject, PrinterColumn, ResourceDefinition, Verb } from "../../src/apiserver/resource.ts";

const crdFolder = new URL("../../crds/", import.meta.url);

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

interface CustomResourceDefinition {
  spec: {
    group: string;
    scope: string;
    names: Pick<ResourceDefinition, "kind" | "listKind" | "plural" | "singular" | "shortNames" | "categories">;
    versions: {
      name: string;
      additionalPrinterColumns: PrinterColumn[];
      schema: { openAPIV3Schema: JsonObject };
    }[];
  };
}

/** The project's own definitions, read from crds/. */
export function projectDefinitions(): ResourceDefinition[] {
  return readdirSync(crdFolder)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => {
      const { spec } = load(readFileSync(new URL(file, crdFolder), "utf8")) as CustomResourceDefinition;
      const version = spec.versions[0];
      if (!version) throw new Error(`${file} has no version`);
      return resourceDefinition({
        ...spec.names,
        group: spec.group,
        version: version.name,
        namespaced: spec.scope === "Namespaced",
        schema: version.schema.openAPIV3Schema,
        printerColumns: version.additionalPrinterColumns,
      });
    });
}

export function projectDefinition(kind: string): ResourceDefinition {
  const found = projectDefinitions().find((definition) => definition.kind === kind);
  if (!found) throw new Error(`crds/ defines no ${kind}`);
  return found;
}
