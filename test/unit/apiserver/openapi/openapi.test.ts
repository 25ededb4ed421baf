import { expect } from "chai";
import fc from "fast-check";
import { type DocumentSchema, objectMetaName } from "../../../../src/apiserver/openapi/kind-schema.ts";
import { ProtobufWriter } from "../../../../src/apiserver/openapi/protobuf-writer.ts";
import { openapiV2Json, openapiV2Protobuf } from "../../../../src/apiserver/openapi/v2.ts";
import { openapiV3, openapiV3Index } from "../../../../src/apiserver/openapi/v3.ts";
import { messagesAt, readMessage, stringsAt } from "../../../support/protobuf-reader.ts";
import { projectDefinitions, resourceDefinition } from "../../../support/resource-definitions.ts";

const definitions = [
  ...projectDefinitions(),
  resourceDefinition({
    group: "",
    version: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
    hasStatus: false,
    builtIn: true,
  }),
];
const reservation = "dev.vacate.v1alpha1.Reservation";
const itemPath = "/apis/vacate.dev/v1alpha1/namespaces/{namespace}/reservations/{name}";

/** Paths of fields without a description. */
function undescribed(schema: DocumentSchema, path: string): string[] {
  const own = schema.description ? [] : [path];
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
    undescribed(child, `${path}.${name}`),
  );
  const ofItems = Object.entries(schema.items?.properties ?? {}).flatMap(([name, child]) =>
    undescribed(child, `${path}[].${name}`),
  );
  return [...own, ...below, ...ofItems];
}

function referencesOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => (key === "$ref" ? [String(child)] : referencesOf(child)));
}

describe("OpenAPI v3", () => {
  const document = openapiV3("vacate.dev/v1alpha1", definitions);

  it("should index every group and version under a hash that changes with its content", () => {
    const { paths } = openapiV3Index(definitions);
    expect(Object.keys(paths)).to.have.members(["api/v1", "apis/vacate.dev/v1alpha1"]);
    const url = paths["api/v1"]?.serverRelativeURL;
    expect(url).to.match(/^\/openapi\/v3\/api\/v1\?hash=[0-9A-F]{64}$/);
    const changed = definitions.map((definition) => ({ ...definition, verbs: ["get" as const] }));
    expect(openapiV3Index(changed).paths["api/v1"]?.serverRelativeURL).to.not.equal(url);
    expect(openapiV3("unknown.dev/v1", definitions)).to.equal(undefined);
  });

  it("should describe every field of every kind", () => {
    const schemas = Object.entries(document?.components.schemas ?? {});
    expect(schemas).to.have.lengthOf(5);
    expect(schemas.flatMap(([name, schema]) => undescribed(schema, name))).to.deep.equal([]);
  });

  it("should show which parameters a patch understands, and the kind", () => {
    const patch = document?.paths[itemPath]?.patch as { parameters: { name: string }[] };
    const names = patch.parameters.map((parameter) => parameter.name);
    expect(names).to.include.members(["namespace", "name", "dryRun", "fieldManager", "fieldValidation", "force"]);
    expect(patch).to.deep.include({
      "x-kubernetes-group-version-kind": { group: "vacate.dev", version: "v1alpha1", kind: "Reservation" },
    });
    expect(document?.paths).to.have.property(`${itemPath}/status`);
    expect(document?.paths["/apis/vacate.dev/v1alpha1/vmhosts/{name}"]).to.have.keys("get", "put", "patch", "delete");
  });

  it("should refer only to schemas that are there, and give each operation an id of its own", () => {
    const names = Object.keys(document?.components.schemas ?? {}).map((name) => `#/components/schemas/${name}`);
    expect(names).to.include.members(referencesOf(document));
    const ids = Object.values(document?.paths ?? {}).flatMap((item) =>
      Object.values(item).map((operation) => (operation as { operationId: string }).operationId),
    );
    expect(new Set(ids).size).to.equal(ids.length);
  });

  it("should leave out what a kind cannot do", () => {
    const reads = [resourceDefinition({ namespaced: false, hasStatus: false, verbs: ["get", "list"] })];
    expect(openapiV3("example.dev/v1", reads)?.paths).to.have.keys(
      "/apis/example.dev/v1/things",
      "/apis/example.dev/v1/things/{name}",
    );
  });
});

describe("OpenAPI v2", () => {
  it("should hold all groups, without what version 2 lacks", () => {
    const document = openapiV2Json(definitions);
    expect(document.definitions).to.include.keys(reservation, "io.k8s.api.core.v1.ConfigMap", objectMetaName);
    expect(JSON.stringify(document)).to.not.match(/"(nullable|default|x-kubernetes-validations|anyOf)":/);
    expect(Object.keys(document.definitions).map((name) => `#/definitions/${name}`)).to.include.members(
      referencesOf(document),
    );
  });

  it("should not name fields beside which others are allowed", () => {
    const schema = {
      type: "object",
      properties: {
        free: {
          type: "object",
          "x-kubernetes-preserve-unknown-fields": true,
          required: ["a"],
          properties: { a: { type: "string" } },
        },
        port: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
      },
    };
    const document = openapiV2Json([resourceDefinition({ schema })]);
    const properties = document.definitions["dev.example.v1.Thing"]?.properties;
    expect(properties?.free).to.deep.equal({ type: "object", "x-kubernetes-preserve-unknown-fields": true });
    expect(properties?.port).to.deep.equal({ "x-kubernetes-int-or-string": true, format: "int-or-string" });
  });

  it("should say the same in protobuf", () => {
    const json = openapiV2Json(definitions);
    const bytes = openapiV2Protobuf(definitions);
    expect(stringsAt(bytes, 1)).to.deep.equal(["2.0"]);
    expect(stringsAt(bytes, 8, 2, 1)).to.deep.equal(Object.keys(json.paths));
    expect(stringsAt(bytes, 9, 1, 1)).to.deep.equal(Object.keys(json.definitions));

    const index = Object.keys(json.definitions).indexOf(reservation);
    const schema = messagesAt(bytes, 9, 1, 2)[index] ?? Buffer.alloc(0);
    expect(stringsAt(schema, 4)).to.deep.equal([json.definitions[reservation]?.description]);
    expect(stringsAt(schema, 22, 1)).to.deep.equal(["object"]);
    expect(stringsAt(schema, 25, 1, 1)).to.have.members(["apiVersion", "kind", "metadata", "spec", "status"]);
    expect(stringsAt(schema, 31, 1)).to.include("x-kubernetes-group-version-kind");
    expect(stringsAt(schema, 31, 2, 2)).to.include(
      '[{"group":"vacate.dev","version":"v1alpha1","kind":"Reservation"}]',
    );
  });

  it("should show kubectl 1.20 in protobuf that a patch may be a dry run", () => {
    const bytes = openapiV2Protobuf(definitions);
    const index = stringsAt(bytes, 8, 2, 1).indexOf(itemPath);
    const patch = messagesAt(messagesAt(bytes, 8, 2, 2)[index] ?? Buffer.alloc(0), 8)[0] ?? Buffer.alloc(0);
    // ParametersItem.parameter, Parameter.non_body_parameter, NonBodyParameter.query_parameter_sub_schema, name
    expect(stringsAt(patch, 8, 1, 2, 3, 4)).to.include("dryRun");
    expect(stringsAt(patch, 13, 1)).to.include("x-kubernetes-group-version-kind");
  });
});

describe("ProtobufWriter", () => {
  it("should write what a reader reads back, and nothing for defaults", () => {
    const text = fc.string({ minLength: 1, unit: "grapheme" });
    const field = fc.integer({ min: 1, max: 500_000 });
    fc.assert(
      fc.property(field, fc.maxSafeNat(), text, fc.double({ noNaN: true }), (number, integer, string, double) => {
        const bytes = new ProtobufWriter()
          .integer(number, integer)
          .string(number, string)
          .double(number, double)
          .message(number, (inner) => void inner.strings(1, [string, string]))
          .finish();
        const values = readMessage(bytes).map((found) => {
          expect(found.number).to.equal(number);
          return found.value;
        });
        const inner = new ProtobufWriter().strings(1, [string, string]).finish();
        expect(values).to.deep.equal(
          [integer, Buffer.from(string), double, inner].filter((value) => value !== 0 && !Object.is(value, -0)),
        );
      }),
    );
    expect(
      new ProtobufWriter().string(1, "").integer(2, 0).boolean(3, false).message(4, undefined).finish(),
    ).to.have.lengthOf(0);
  });
});
