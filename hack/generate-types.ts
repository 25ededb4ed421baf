/** Writes src/api/types.gen.ts from the schemas in crds/, which are the source of truth. */
import { writeFile } from "node:fs/promises";
import { compile, type JSONSchema } from "json-schema-to-typescript";
import { type CustomResourceDefinition, loadDefinitions } from "../src/cli/custom-resource-definitions.ts";

const output = new URL("../src/api/types.gen.ts", import.meta.url);
const banner = "// Generated from crds/ by hack/generate-types.ts. Do not edit; run `npm run generate`.\n";

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

async function typesOf({ metadata, spec }: CustomResourceDefinition): Promise<string> {
  const version = spec.versions[0];
  if (!version) throw new Error(`${metadata.name}: spec.versions is empty, expected one version`);
  const schema = closed(version.schema.openAPIV3Schema as JSONSchema);
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

await writeFile(output, banner + (await Promise.all(loadDefinitions().map(typesOf))).join("\n"));
