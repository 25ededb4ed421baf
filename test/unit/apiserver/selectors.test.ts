import { expect } from "chai";
import { parseFieldSelector, parseLabelSelector, parseSelectors } from "../../../src/apiserver/selectors.ts";
import { kubernetesObject } from "../../support/kubernetes-object.ts";

describe("label selectors", () => {
  const labels = { app: "web", tier: "front", "example.dev/zone": "a" };

  for (const [selector, matches] of [
    ["", true],
    ["app=web", true],
    ["app==web", true],
    ["app = db", false],
    ["app!=db", true],
    ["missing!=db", true],
    ["app!=web", false],
    ["app in (web, db)", true],
    ["app in (db)", false],
    ["missing in (db)", false],
    ["app notin (db,cache)", true],
    ["missing notin (db)", true],
    ["app notin (web)", false],
    ["app", true],
    ["missing", false],
    ["!missing", true],
    ["!app", false],
    ["app=web,tier in (front,back),!missing,example.dev/zone=a", true],
    ["app=web,tier in (back)", false],
    ["missing=", false],
  ] as const) {
    it(`should ${matches ? "match" : "not match"} ${selector || "everything when empty"}`, () => {
      expect(parseLabelSelector(selector)(labels)).to.equal(matches);
    });
  }

  for (const selector of ["=web", "app=a=b", "app in web", "app in (a", "app,,tier", "app>3", "-app=web", "app=we b"]) {
    it(`should refuse ${selector}`, () => {
      expect(() => parseLabelSelector(selector))
        .to.throw("unable to parse requirement")
        .with.property("code", 400);
    });
  }
});

describe("field selectors", () => {
  it("should compare and negate", () => {
    const matches = parseFieldSelector("metadata.name=a,reason!=Failed", ["metadata.name", "reason"]);
    expect(matches({ "metadata.name": "a", reason: "Started" })).to.equal(true);
    expect(matches({ "metadata.name": "a", reason: "Failed" })).to.equal(false);
    expect(matches({ "metadata.name": "b", reason: "Started" })).to.equal(false);
  });

  it("should refuse a field it does not know", () => {
    expect(() => parseFieldSelector("spec.size=1", ["metadata.name"])).to.throw("field label not supported: spec.size");
  });

  it("should look into nested fields of the object", () => {
    const selects = parseSelectors(null, "involvedObject.name=vm", ["involvedObject.name"]);
    expect(selects?.(kubernetesObject({ name: "e" }, { involvedObject: { name: "vm" } }))).to.equal(true);
    expect(selects?.(kubernetesObject({ name: "e" }))).to.equal(false);
  });

  it("should demand labels and fields together", () => {
    const selects = parseSelectors("app=web", "metadata.name=a", []);
    expect(selects?.(kubernetesObject({ name: "a", labels: { app: "web" } }))).to.equal(true);
    expect(selects?.(kubernetesObject({ name: "a" }))).to.equal(false);
    expect(selects?.(kubernetesObject({ name: "b", labels: { app: "web" } }))).to.equal(false);
  });
});
