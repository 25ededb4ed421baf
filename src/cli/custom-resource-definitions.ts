import { readdirSync, readFileSync } from "node:fs";
import { load } from "js-yaml";
import type { KubernetesObject } from "../api/object.ts";

const folder = new URL("../../crds/", import.meta.url);

/** The CustomResourceDefinitions of crds/, by name. */
export function loadDefinitions(): KubernetesObject[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => load(readFileSync(new URL(file, folder), "utf8")) as KubernetesObject)
    .filter(({ kind }) => kind === "CustomResourceDefinition");
}
