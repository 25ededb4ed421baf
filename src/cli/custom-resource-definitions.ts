import { readdirSync, readFileSync } from "node:fs";
import { load } from "js-yaml";
import type { JsonObject } from "../apiserver/resource.ts";

const folder = new URL("../../crds/", import.meta.url);

/** A CustomResourceDefinition, as far as it is read here; the API server reads the rest. */
export type CustomResourceDefinition = JsonObject & {
  kind: "CustomResourceDefinition";
  metadata: { name: string };
  spec: {
    group: string;
    scope: "Cluster" | "Namespaced";
    names: { kind: string; plural: string; singular: string; shortNames: string[]; categories: string[] };
    versions: { name: string; schema: { openAPIV3Schema: JsonObject }; additionalPrinterColumns: JsonObject[] }[];
  };
};

/** The CustomResourceDefinitions of crds/, by name. */
export function loadDefinitions(): CustomResourceDefinition[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => load(readFileSync(new URL(file, folder), "utf8")) as CustomResourceDefinition)
    .filter(({ kind }) => kind === "CustomResourceDefinition");
}
