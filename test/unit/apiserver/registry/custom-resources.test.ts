import { expect } from "chai";
import { applyJsonPatch } from "../../../../src/apiserver/patch.ts";
import { readCustomResourceDefinition } from "../../../../src/apiserver/registry/custom-resources.ts";
import { Registry } from "../../../../src/apiserver/registry/registry.ts";
import type { JsonObject } from "../../../../src/apiserver/resource.ts";
import { thingDefinition } from "../../../support/api-fixture.ts";

describe("readCustomResourceDefinition", () => {
  it("should read what the server needs to know", () => {
    expect(readCustomResourceDefinition(thingDefinition)[0]).to.deep.include({
      group: "example.dev",
      version: "v1",
      kind: "Thing",
      listKind: "ThingList",
      plural: "things",
      shortNames: ["th"],
      categories: [],
      namespaced: true,
      hasStatus: true,
      builtIn: false,
    });
  });

  const changed = (path: string, value: unknown): JsonObject =>
    applyJsonPatch(thingDefinition, [{ op: "add", path, value }]);
  for (const [title, manifest, message] of [
    ["another kind", changed("/kind", "ConfigMap"), "is not an apiextensions.k8s.io/v1 CustomResourceDefinition"],
    ["a name that does not fit", changed("/metadata/name", "x.y"), "(things.example.dev)"],
    ["an unknown scope", changed("/spec/scope", "World"), 'must be Namespaced or Cluster, not "World"'],
    ["no served version", changed("/spec/versions/0/served", false), "spec.versions has no served version"],
    ["no schema", changed("/spec/versions/0/schema", {}), "openAPIV3Schema must be an object"],
    ["a scale subresource", changed("/spec/versions/0/subresources/scale", {}), "subresources.scale is not supported"],
  ] as const) {
    it(`should refuse ${title}`, () => {
      expect(() => readCustomResourceDefinition(manifest))
        .to.throw(message)
        .with.property("name", "DefinitionError");
    });
  }

  it("should refuse one definition twice", () => {
    expect(() => new Registry([thingDefinition, thingDefinition])).to.throw("things.example.dev: is defined twice");
  });
});
