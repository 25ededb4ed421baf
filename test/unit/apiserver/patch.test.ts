import { expect } from "chai";
import fc from "fast-check";
import { parseJson } from "../../../src/apiserver/json.ts";
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch } from "../../../src/apiserver/patch.ts";

describe("JSON patch", () => {
  it("should apply its operations in order and leave the document alone", () => {
    const document = { spec: { size: 1, list: ["a"] } };
    const patched = applyJsonPatch(document, [
      { op: "test", path: "/spec/size", value: 1 },
      { op: "replace", path: "/spec/size", value: 2 },
      { op: "add", path: "/spec/list/-", value: "b" },
    ]);
    expect(patched).to.deep.equal({ spec: { size: 2, list: ["a", "b"] } });
    expect(document).to.deep.equal({ spec: { size: 1, list: ["a"] } });
  });

  it("should answer 422 when a test fails", () => {
    const patch = [{ op: "test", path: "/a", value: 2 }];
    expect(() => applyJsonPatch({ a: 1 }, patch))
      .to.throw()
      .with.property("code", 422);
  });

  it("should answer 422 for a path that is not there", () => {
    expect(() => applyJsonPatch({}, [{ op: "remove", path: "/a" }]))
      .to.throw()
      .with.property("code", 422);
  });

  it("should answer 400 when it is no list", () => {
    expect(() => applyJsonPatch({}, { op: "remove", path: "/a" }))
      .to.throw()
      .with.property("code", 400);
  });

  it("should stop copies that double the document with every operation", () => {
    const copies = Array.from({ length: 60 }, (_, index) => ({ op: "copy", from: "", path: `/x${index}` }));
    expect(() => applyJsonPatch({ a: "b".repeat(1000) }, copies))
      .to.throw()
      .with.property("code", 413);
  });
});

describe("merge patch", () => {
  it("should merge maps, replace lists and delete by null", () => {
    const document = { keep: 1, gone: 2, map: { a: 1, b: 2 }, list: [1, 2] };
    const patched = applyMergePatch(document, { gone: null, map: { b: null, c: 3 }, list: [9] });
    expect(patched).to.deep.equal({ keep: 1, map: { a: 1, c: 3 }, list: [9] });
  });

  it("should make maps where there were none, without their nulls", () => {
    expect(applyMergePatch({ a: "text" }, { a: { b: null, c: 1 } })).to.deep.equal({ a: { c: 1 } });
  });

  it("should give the same when it is applied twice", () => {
    fc.assert(
      fc.property(fc.object(), fc.object({ withNullPrototype: false }), (document, patch) => {
        const once = applyMergePatch(document, patch);
        expect(applyMergePatch(once, patch)).to.deep.equal(once);
      }),
      { numRuns: 300 },
    );
  });

  it("should not reach the prototype", () => {
    const patch = parseJson('{"__proto__": {"polluted": true}, "a": {"\\u005f_proto__": {"polluted": true}}}');
    const patched = applyMergePatch({}, patch) as Record<string, unknown>;
    expect(patched.polluted).to.equal(undefined);
    expect(({} as Record<string, unknown>).polluted).to.equal(undefined);
    expect(JSON.stringify(patched)).to.equal('{"a":{}}');
  });
});

describe("strategic merge patch", () => {
  it("should merge conditions by type and owner references by uid", () => {
    const document = {
      metadata: { ownerReferences: [{ uid: "1", name: "a" }] },
      status: { conditions: [{ type: "Ready", status: "False" }] },
    };
    const patched = applyStrategicMergePatch(document, {
      metadata: { ownerReferences: [{ uid: "2", name: "b" }] },
      status: {
        conditions: [
          { type: "Ready", status: "True" },
          { type: "Synced", status: "True" },
        ],
      },
    });
    expect(patched).to.deep.equal({
      metadata: {
        ownerReferences: [
          { uid: "1", name: "a" },
          { uid: "2", name: "b" },
        ],
      },
      status: {
        conditions: [
          { type: "Ready", status: "True" },
          { type: "Synced", status: "True" },
        ],
      },
    });
  });

  it("should treat finalizers as a set and delete from it", () => {
    const document = { metadata: { finalizers: ["a/b", "c/d"] } };
    expect(applyStrategicMergePatch(document, { metadata: { finalizers: ["c/d", "e/f"] } })).to.deep.equal({
      metadata: { finalizers: ["a/b", "c/d", "e/f"] },
    });
    const deletion = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a/b"] } };
    expect(applyStrategicMergePatch(document, deletion)).to.deep.equal({ metadata: { finalizers: ["c/d"] } });
  });

  it("should obey $patch directives", () => {
    const document = { data: { a: "1", b: "2" }, status: { conditions: [{ type: "Ready" }, { type: "Synced" }] } };
    const patched = applyStrategicMergePatch(document, {
      data: { $patch: "replace", c: "3" },
      status: { conditions: [{ type: "Ready", $patch: "delete" }] },
    });
    expect(patched).to.deep.equal({ data: { c: "3" }, status: { conditions: [{ type: "Synced" }] } });
  });

  it("should refuse list elements without their merge key", () => {
    const patch = { metadata: { ownerReferences: [{ name: "b" }] } };
    expect(() => applyStrategicMergePatch({}, patch)).to.throw("does not contain declared merge key: uid");
  });
});
