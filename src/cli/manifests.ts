import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import type { KubernetesObject } from "../api/object.ts";
import { formatKey } from "../api/object.ts";
import { vacateApiVersion } from "../api/resources.ts";
import { readCustomResourceDefinition } from "../apiserver/registry/custom-resources.ts";
import type { JsonObject } from "../apiserver/resource.ts";
import { compileSchema, type ObjectSchema } from "../apiserver/schema/compile-schema.ts";
import { loadDefinitions } from "./custom-resource-definitions.ts";
import { UsageError } from "./usage.ts";

const largestFileBytes = 64 * 2 ** 20;

interface Kind {
  namespaced: boolean;
  schema: ObjectSchema;
}

/** Reads manifests of Vacate's kinds as `kubectl apply` would: checked against the schemas, with their defaults. */
export class ManifestReader {
  readonly #kinds = new Map<string, Kind>();

  constructor() {
    for (const definition of loadDefinitions()) {
      for (const resource of readCustomResourceDefinition(definition as unknown as JsonObject)) {
        this.#kinds.set(resource.kind, { namespaced: resource.namespaced, schema: compileSchema(resource) });
      }
    }
  }

  /**
   * The objects of Vacate's kinds in a file (`-` is standard input) or in all .yaml, .yml and .json files of a folder.
   * Other kinds are passed over.
   * @throws UsageError naming the file, the object, the field and what would be right
   */
  read(path: string): KubernetesObject[] {
    const files = path !== "-" && isFolder(path) ? manifestFiles(path) : [path];
    return files.flatMap((file) => parse(file).flatMap((document) => this.#check(sourceName(file), document) ?? []));
  }

  #check(file: string, document: unknown): KubernetesObject | undefined {
    if (!isMap(document)) throw new UsageError(`${file}: ${JSON.stringify(document)?.slice(0, 60)} is no object`);
    const { apiVersion, kind, metadata } = document as Partial<KubernetesObject>;
    if (typeof apiVersion !== "string" || typeof kind !== "string") {
      throw new UsageError(`${file}: apiVersion or kind is missing, such as ${vacateApiVersion} and Reservation`);
    }
    if (!apiVersion.startsWith("vacate.dev/")) return undefined;
    const known = this.#kinds.get(kind);
    if (apiVersion !== vacateApiVersion || !known) {
      const kinds = [...this.#kinds.keys()].join(", ");
      throw new UsageError(`${file}: no kind ${apiVersion} ${kind}; there are ${kinds} of ${vacateApiVersion}`);
    }
    if (typeof metadata?.name !== "string" || metadata.name === "") {
      throw new UsageError(`${file}: ${kind}: metadata.name is missing`);
    }
    const object = structuredClone(document) as unknown as KubernetesObject;
    if (known.namespaced) object.metadata.namespace ??= "default";
    else delete object.metadata.namespace;
    const json = object as unknown as JsonObject;
    const unknown = known.schema.prune(structuredClone(json));
    known.schema.applyDefaults(json);
    const wrong = [
      ...unknown.map((field) => `${field}: there is no such field`),
      ...known.schema.validate(json).map(({ field, message }) => `${field}: ${message}`),
    ];
    if (wrong.length === 0) return object;
    throw new UsageError(`${file}: ${kind} ${formatKey(object.metadata)}: ${wrong.join("; ")}`);
  }
}

/** A file as errors name it. */
export function sourceName(file: string): string {
  return file === "-" ? "standard input" : file;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

function manifestFiles(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /\.(ya?ml|json)$/.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** The file's documents; what a List holds counts as documents too. */
function parse(file: string): unknown[] {
  try {
    const text = readFileSync(file === "-" ? 0 : file, "utf8");
    if (text.length > largestFileBytes) throw new Error(`is larger than ${largestFileBytes / 2 ** 20} MiB`);
    return loadAll(text).flatMap((document) => {
      if (document === null || document === undefined) return [];
      return isMap(document) && Array.isArray(document.items) ? document.items : [document];
    });
  } catch (error) {
    throw new UsageError(`${sourceName(file)}: ${(error as Error).message}`);
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
