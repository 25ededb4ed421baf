import { expect } from "chai";
import { parseResourcePath } from "../../../../src/apiserver/http/request-path.ts";

describe("parseResourcePath", () => {
  const v1 = { apiVersion: "v1" };
  const custom = { apiVersion: "example.dev/v1" };
  for (const [path, expected] of [
    ["/api/v1/namespaces", { ...v1, plural: "namespaces" }],
    ["/api/v1/namespaces/lab", { ...v1, plural: "namespaces", name: "lab" }],
    ["/api/v1/namespaces/lab/status", { ...v1, plural: "namespaces", name: "lab", subresource: "status" }],
    ["/api/v1/namespaces/lab/secrets", { ...v1, plural: "secrets", namespace: "lab" }],
    ["/api/v1/namespaces/lab/secrets/a", { ...v1, plural: "secrets", namespace: "lab", name: "a" }],
    ["/api/v1/events", { ...v1, plural: "events" }],
    ["/apis/example.dev/v1/things", { ...custom, plural: "things" }],
    ["/apis/example.dev/v1/things/a/status", { ...custom, plural: "things", name: "a", subresource: "status" }],
    [
      "/apis/example.dev/v1/namespaces/lab/things/a/status",
      { ...custom, plural: "things", namespace: "lab", name: "a", subresource: "status" },
    ],
    ["/api/v1/namespaces/lab/secrets/a%2Fb", { ...v1, plural: "secrets", namespace: "lab", name: "a/b" }],
    ["/api/v1", undefined],
    ["/apis/example.dev/v1", undefined],
    ["/apis", undefined],
    ["/other/v1/things", undefined],
    ["/api/v1//things", undefined],
    ["/api/v1/things/a/status/more", undefined],
    ["/api/v1/things/%E0%A4%A", undefined],
  ] as const) {
    it(`should ${expected ? "take apart" : "refuse"} ${path}`, () => {
      expect(parseResourcePath(path)).to.deep.equal(expected);
    });
  }
});
