import { expect } from "chai";
import fc from "fast-check";
import type { JsonObject } from "../../../../src/apiserver/resource.ts";
import { compileSchema } from "../../../../src/apiserver/schema/compile-schema.ts";
import type { StructuralSchema } from "../../../../src/apiserver/schema/structural-schema.ts";
import { projectDefinitions } from "../../../support/resource-definitions.ts";

/** Values of any shape, often under the names and with the types that the schema knows, so that the deep parts are met. */
function valueFor(schema: StructuralSchema): fc.Arbitrary<unknown> {
  const likely = likelyValue(schema);
  return fc.oneof({ arbitrary: likely, weight: 250 }, { arbitrary: fc.jsonValue({ maxDepth: 2 }), weight: 1 });
}

function likelyValue(schema: StructuralSchema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "object": {
      const properties = Object.entries(schema.properties ?? {}).map(([name, child]) => [name, valueFor(child)]);
      return fc.record<Record<string, unknown>>(Object.fromEntries(properties), {
        requiredKeys: schema.required ?? [],
      });
    }
    case "array":
      return fc.array(valueFor(schema.items ?? {}), { maxLength: 2 });
    case "integer":
      return fc.integer({ min: Number(schema.minimum ?? 0), max: Number(schema.maximum ?? 300) });
    case "boolean":
      return fc.boolean();
    default:
      return fc.constantFrom(...fitting(schema));
  }
}

const hostKey = `ssh-ed25519 ${"A".repeat(68)}`;
const sizes = ["512Mi", "4Gi", "90m", "3h5m", "99%"];
const texts = [
  "a",
  "UTC",
  "0 9 * * *",
  "*/5 * * * *",
  "30 6 1 1 *",
  "host-a",
  ...sizes,
  "0123456789abcdef",
  "/run/a.sock",
  "__proto__",
  hostKey,
];

/** The texts that the schema's pattern and lengths allow. */
function fitting({ format, pattern, minLength, maxLength }: StructuralSchema): string[] {
  if (format === "date-time") return ["2030-01-31T09:00:00Z", "2031-01-31T09:00:00.5+02:00"];
  const expression = new RegExp(typeof pattern === "string" ? pattern : "");
  const [shortest, longest] = [Number(minLength ?? 0), Number(maxLength ?? 1000)];
  return texts.filter((text) => expression.test(text) && text.length >= shortest && text.length <= longest);
}

describe("compileSchema with objects of any shape", () => {
  for (const definition of projectDefinitions()) {
    const schema = compileSchema(definition);
    const objects = valueFor(definition.schema as StructuralSchema).map((value) => ({
      ...(typeof value === "object" && value !== null && !Array.isArray(value) ? value : { spec: value }),
      metadata: { name: "one" },
    }));

    it(`should judge every ${definition.kind}, and the same way again`, () => {
      let accepted = 0;
      fc.assert(
        fc.property(objects, objects, (given: JsonObject, old: JsonObject) => {
          const object = structuredClone(given);
          schema.prune(object);
          schema.applyDefaults(object);
          const causes = schema.validate(object, old);
          for (const cause of causes) expect(cause.field).to.not.equal("");
          if (schema.validate(object).length === 0) accepted++;

          const again = JSON.parse(JSON.stringify(object)) as JsonObject;
          expect(schema.prune(again)).to.deep.equal([]);
          schema.applyDefaults(again);
          expect(again).to.deep.equal(JSON.parse(JSON.stringify(object)));
          expect(schema.validate(again, old)).to.deep.equal(causes);
        }),
        { numRuns: 500 },
      );
      // Else the objects would be too wild to reach the rules behind the structure.
      expect(accepted).to.be.greaterThan(0);
    });
  }
});
