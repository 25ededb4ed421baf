import { expect } from "chai";
import { negotiate } from "../../../../src/apiserver/http/accept.ts";

describe("negotiate", () => {
  for (const [accept, expected] of [
    [undefined, "Object"],
    ["*/*", "Object"],
    ["application/json", "Object"],
    ["application/vnd.kubernetes.protobuf,application/json", "Object"],
    ["application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Table"],
    ["application/json;as=Table;g=meta.k8s.io;v=v1beta1, application/json", "Table"],
    ["application/json;as=Table;v=v2;g=meta.k8s.io,application/json", "Object"],
    [
      "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
      "PartialObjectMetadata",
    ],
    ["application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "PartialObjectMetadataList"],
  ] as const) {
    it(`should answer ${expected} to ${accept ?? "no header"}`, () => {
      expect(negotiate(accept)).to.equal(expected);
    });
  }

  for (const accept of [
    "text/html",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Other;g=meta.k8s.io;v=v1",
  ]) {
    it(`should refuse ${accept}`, () => {
      expect(() => negotiate(accept))
        .to.throw()
        .with.property("code", 406);
    });
  }
});
