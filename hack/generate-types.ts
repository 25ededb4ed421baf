/** Writes src/api/types.gen.ts from the schemas in crds/, which are the source of truth. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { load } from "js-yaml";
import { compile, type JSONSchema } from "json-schema-to-typescript";

const crdFolder = new URL("../crds/", import.meta.url);
const output = new URL("../src/api/types.gen.ts", import.meta.url);
const banner = "// Generated from crds/ by hack/generate-types.ts. Do not edit; run `npm run generate`.\n";

interface Definition {
  spec: {
    group: string;
    names: { kind: string };
    versions: { name: string; schema: { openAPIV3Schema: JSONSchema } }[];
  };
}

/** Forbids unknown properties everywhere, so that the types catch a misspelt field, as the API server does. */
function closed(schema: JSONSchema): JSONSchema {
  const copy: JSONSchema = { ...schema };
  // A length bound would make json-schema-to-typescript emit unions of tuples.
  delete copy.maxItems;
  delete copy.minItems;
  if (copy.properties) {
    copy.properties = Object.fromEntries(Object.entries(copy.properties).map(([name, value]) => [name, closed(value)]));
    copy.additionalProperties = false;
  }
  if (copy.items && !Array.isArray(copy.items)) copy.items = closed(copy.items as JSONSchema);
  return copy;
}

async function typesOf(file: string): Promise<string> {
  const { spec } = load(await readFile(new URL(file, crdFolder), "utf8")) as Definition;
  const version = spec.versions[0];
  if (!version) throw new Error(`${file}: spec.versions is empty, expected one version`);
  const schema = closed(version.schema.openAPIV3Schema);
  const parts = ["spec", "status"].map((part) => {
    const name = `${spec.names.kind}${part === "spec" ? "Spec" : "Status"}`;
    const partSchema = schema.properties?.[part] as JSONSchema;
    return compile({ ...partSchema, title: name }, name, {
      bannerComment: "",
      additionalProperties: false,
      format: false,
      declareExternallyReferenced: true,
    });
  });
  return (await Promise.all(parts)).join("\n");
}

const files = (await readdir(crdFolder)).filter((file) => file.endsWith(".yaml")).sort();
await writeFile(output, banner + (await Promise.all(files.map(typesOf))).join("\n"));
