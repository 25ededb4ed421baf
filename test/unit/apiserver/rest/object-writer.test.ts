import { expect } from "chai";
import { applyMergePatch } from "../../../../src/apiserver/patch.ts";
import type { KubernetesObject } from "../../../../src/apiserver/resource.ts";
import { readDeleteOptions } from "../../../../src/apiserver/rest/deletion.ts";
import type { Change } from "../../../../src/apiserver/rest/object-writer.ts";
import type { StatusError } from "../../../../src/apiserver/status.ts";
import { type ApiFixture, openApiFixture, thingManifest } from "../../../support/api-fixture.ts";
import { rejection } from "../../../support/rejection.ts";

const strict = { dryRun: false, fieldValidation: "Strict" } as const;
const patching = { ...strict, unconditional: true };
const replacing = { ...strict, unconditional: false };
const merge =
  (patch: object): Change =>
  (current) =>
    applyMergePatch(current, patch);

describe("ObjectWriter", () => {
  let api: ApiFixture;
  const address = { namespace: "lab", name: "a" };
  const deletion = readDeleteOptions(undefined, new URLSearchParams());

  beforeEach(async () => {
    api = await openApiFixture();
  });
  afterEach(() => api.close());

  const create = async (metadata: object = { name: "a" }, spec?: object) =>
    (await api.writer.create(api.things, "lab", thingManifest({ ...metadata }, spec && { ...spec }), strict)).object;
  const patch = async (change: object, subresource?: "status") =>
    (await api.writer.update(api.things, address, subresource, merge(change), patching)).object;
  const get = () => api.reader.get(api.things, "lab", "a");
  const failure = async (promise: Promise<unknown>) => (await rejection(promise)) as StatusError;

  describe("create", () => {
    it("should set what the server decides, defaults included, and drop the status", async () => {
      const manifest = { ...thingManifest({ name: "a", uid: "mine", generation: 7 }), status: { phase: "Done" } };
      const { object } = await api.writer.create(api.things, "lab", manifest, strict);
      expect(object.metadata).to.include({ name: "a", namespace: "lab", generation: 1 });
      expect(object.metadata.creationTimestamp).to.equal("2030-01-01T00:00:00Z");
      expect(object.metadata.uid).to.match(/^[0-9a-f-]{36}$/);
      expect(object.spec).to.deep.equal({ size: 1, color: "blue" });
      expect(object).not.to.have.property("status");
      expect(await get()).to.deep.equal(object);
    });

    it("should refuse a second object of the name", async () => {
      await create();
      const error = await failure(create());
      expect(error).to.include({
        code: 409,
        reason: "AlreadyExists",
        message: 'things.example.dev "a" already exists',
      });
    });

    it("should say of an object in the way that it is being deleted", async () => {
      await create({ name: "a", finalizers: ["example.dev/kept"] });
      await api.writer.delete(api.things, address, deletion);
      const error = await failure(create());
      expect(error.message).to.equal('object is being deleted: things.example.dev "a" already exists');
    });

    it("should answer 404 for a namespace that does not exist", async () => {
      const error = await failure(api.writer.create(api.things, "nowhere", thingManifest({ name: "a" }), strict));
      expect(error).to.include({ code: 404, message: 'namespaces "nowhere" not found' });
    });

    it("should name every cause of an invalid object", async () => {
      const error = await failure(create({ name: "Not_A_Name", labels: { "-": "x y" } }, { size: 0 }));
      expect(error).to.include({ code: 422, reason: "Invalid" });
      expect(error.message).to.match(/^Thing\.example\.dev "Not_A_Name" is invalid: \[metadata\.name: Invalid value: /);
      const fields = error.details?.causes?.map(({ field }) => field);
      expect(fields).to.deep.equal(["metadata.name", "metadata.labels", "metadata.labels", "spec.size"]);
    });

    it("should refuse unknown fields under Strict, warn of them under Warn, and store them never", async () => {
      const manifest = thingManifest({ name: "a", nmae: "b" }, { size: 1, colour: "red" });
      const error = await failure(api.writer.create(api.things, "lab", manifest, strict));
      expect(error).to.include({ code: 400, reason: "BadRequest" });
      expect(error.message).to.equal(
        'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "metadata.nmae", unknown field "spec.colour"',
      );
      const warned = await api.writer.create(api.things, "lab", manifest, { ...strict, fieldValidation: "Warn" });
      expect(warned.warnings).to.deep.equal(['unknown field "metadata.nmae"', 'unknown field "spec.colour"']);
      expect(warned.object.spec).not.to.have.property("colour");
      expect(warned.object.metadata).not.to.have.property("nmae");
    });

    it("should refuse another kind or another namespace than the address", async () => {
      const kind = { ...thingManifest({ name: "a" }), kind: "Other" };
      expect((await failure(api.writer.create(api.things, "lab", kind, strict))).code).to.equal(400);
      expect((await failure(create({ name: "a", namespace: "default" }))).code).to.equal(400);
    });

    it("should generate names", async () => {
      const objects = await Promise.all(Array.from({ length: 20 }, () => create({ generateName: "job-" })));
      const names = new Set(objects.map(({ metadata }) => metadata.name));
      expect(names).to.have.property("size", 20);
      for (const name of names) expect(name).to.match(/^job-[a-z0-9]{5}$/);
    });

    it("should write nothing in a dry run, but judge", async () => {
      const dryRun = { ...strict, dryRun: true };
      const { object } = await api.writer.create(api.things, "lab", thingManifest({ name: "a" }), dryRun);
      expect(object.spec).to.deep.equal({ size: 1, color: "blue" });
      expect((await failure(get())).code).to.equal(404);
      const bad = thingManifest({ name: "a" }, { size: 0 });
      expect((await failure(api.writer.create(api.things, "lab", bad, dryRun))).code).to.equal(422);
    });
  });

  describe("update", () => {
    it("should count generations for changes of the spec only", async () => {
      await create();
      expect((await patch({ metadata: { labels: { x: "y" } } })).metadata.generation).to.equal(1);
      expect((await patch({ status: { phase: "New" } }, "status")).metadata.generation).to.equal(1);
      expect((await patch({ spec: { size: 2 } })).metadata.generation).to.equal(2);
    });

    it("should keep the resourceVersion when nothing changes", async () => {
      const created = await create({ name: "a", labels: { x: "y" } });
      const same = await patch({ spec: { size: 1 }, metadata: { labels: { x: "y" }, managedFields: [{}] } });
      expect(same).to.deep.equal(created);
      expect((await patch({}, "status")).metadata.resourceVersion).to.equal(created.metadata.resourceVersion);
    });

    it("should keep main and status writers apart", async () => {
      await create();
      const main = await patch({ spec: { size: 2 }, status: { phase: "Done" } });
      expect(main).not.to.have.property("status");
      const status = await patch(
        { spec: { size: 3 }, metadata: { labels: { x: "y" } }, status: { phase: "New" } },
        "status",
      );
      expect(status.spec).to.deep.equal({ size: 2, color: "blue" });
      expect(status.metadata).not.to.have.property("labels");
      expect(status.status).to.deep.equal({ phase: "New" });
      expect((await patch({ spec: { size: 4 }, status: null })).status).to.deep.equal({ phase: "New" });
    });

    it("should validate the status", async () => {
      await create();
      expect((await failure(patch({ status: { phase: "Lost" } }, "status"))).code).to.equal(422);
    });

    it("should refuse an outdated resourceVersion and another uid", async () => {
      const created = await create();
      await patch({ spec: { size: 2 } });
      const replaced = { ...created, spec: { size: 3 } };
      const error = await failure(api.writer.update(api.things, address, undefined, () => replaced, replacing));
      expect(error).to.include({ code: 409, reason: "Conflict" });
      expect(error.message).to.equal(
        'Operation cannot be fulfilled on things.example.dev "a": the object has been modified; please apply your changes to the latest version and try again',
      );
      expect((await failure(patch({ metadata: { uid: "other" } }))).code).to.equal(409);
      expect((await failure(patch({ metadata: { resourceVersion: "1" } }))).code).to.equal(409);
    });

    it("should demand a resourceVersion for a replacement", async () => {
      await create();
      const change = () => thingManifest({ name: "a" }, { size: 2 });
      const error = await failure(api.writer.update(api.things, address, undefined, change, replacing));
      expect(error).to.include({ code: 422 });
      expect(error.message).to.contain("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update");
    });

    it("should keep what the server decided", async () => {
      const created = await create();
      const updated = await patch({
        metadata: { creationTimestamp: "2000-01-01T00:00:00Z", generation: 99 },
        spec: { size: 2 },
      });
      expect(updated.metadata).to.include({ creationTimestamp: created.metadata.creationTimestamp, generation: 2 });
    });

    it("should answer 404 for what does not exist", async () => {
      expect((await failure(patch({}))).message).to.equal('things.example.dev "a" not found');
    });

    it("should let exactly one of many concurrent replacements of one version win", async () => {
      const created = await create();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) => {
          const change = () => ({ ...created, spec: { size: index + 2 } });
          return api.writer.update(api.things, address, undefined, change, replacing);
        }),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).to.have.length(1);
    });
  });

  describe("delete", () => {
    const remove = () => api.writer.delete(api.things, address, deletion);

    it("should remove an object without finalizers at once", async () => {
      await create();
      expect((await remove()).gone).to.equal(true);
      expect((await failure(get())).code).to.equal(404);
      expect((await failure(remove())).code).to.equal(404);
    });

    it("should mark an object with finalizers and remove it with the last one", async () => {
      await create({ name: "a", finalizers: ["example.dev/x", "example.dev/y"] });
      const marked = await remove();
      expect(marked.gone).to.equal(false);
      expect(marked.object.metadata).to.include({ deletionTimestamp: "2030-01-01T00:00:00Z", generation: 2 });
      const again = await remove();
      expect(again.object.metadata.resourceVersion).to.equal(marked.object.metadata.resourceVersion);
      await patch({ metadata: { finalizers: ["example.dev/y"] } });
      expect((await get()).metadata.finalizers).to.deep.equal(["example.dev/y"]);
      await patch({ metadata: { finalizers: null } });
      expect((await failure(get())).code).to.equal(404);
    });

    it("should refuse new finalizers on an object that is being deleted", async () => {
      await create({ name: "a", finalizers: ["example.dev/x"] });
      await remove();
      const error = await failure(patch({ metadata: { finalizers: ["example.dev/x", "example.dev/z"] } }));
      expect(error.code).to.equal(422);
      expect(error.message).to.contain("no new finalizers can be added if the object is being deleted");
    });

    it("should hold to its preconditions", async () => {
      const { metadata } = await create();
      const withUid = { dryRun: false, preconditions: { uid: "other" } };
      expect((await failure(api.writer.delete(api.things, address, withUid))).code).to.equal(409);
      const withVersion = { dryRun: false, preconditions: { resourceVersion: "1" } };
      expect((await failure(api.writer.delete(api.things, address, withVersion))).code).to.equal(409);
      const good = { dryRun: false, preconditions: { uid: metadata.uid, resourceVersion: metadata.resourceVersion } };
      expect((await api.writer.delete(api.things, address, good)).gone).to.equal(true);
    });

    it("should remove nothing in a dry run", async () => {
      const created = await create();
      await api.writer.delete(api.things, address, { ...deletion, dryRun: true });
      expect(await get()).to.deep.equal(created);
    });

    it("should refuse what it cannot do", () => {
      const foreground = () => readDeleteOptions({ propagationPolicy: "Foreground" }, new URLSearchParams());
      expect(foreground).to.throw('Unsupported value: "Foreground"').with.property("code", 422);
      expect(() => readDeleteOptions({ kind: "Other" }, new URLSearchParams()))
        .to.throw()
        .with.property("code", 400);
    });
  });

  describe("built-in kinds", () => {
    const createIn = async (plural: string, manifest: object): Promise<KubernetesObject> =>
      (await api.writer.create(api.registry.get("v1", plural), "lab", manifest, strict)).object;

    it("should encode a secret's stringData and never store it", async () => {
      const secret = await createIn("secrets", {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "s", creationTimestamp: null },
        data: { a: "YQ==" },
        stringData: { b: "b" },
      });
      expect(secret).to.deep.include({ data: { a: "YQ==", b: "Yg==" }, type: "Opaque" });
      expect(secret).not.to.have.property("stringData");
      expect(secret.metadata).not.to.have.property("generation");
    });

    it("should refuse data that is not base64 without repeating it", async () => {
      const manifest = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: { a: "pass word" } };
      const error = await failure(createIn("secrets", manifest));
      expect(error.code).to.equal(422);
      expect(error.message).not.to.contain("pass word");
    });

    it("should demand the entries of a secret's type", async () => {
      const manifest = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, type: "kubernetes.io/ssh-auth" };
      const error = await failure(createIn("secrets", manifest));
      expect(error.details?.causes).to.deep.equal([
        { reason: "FieldValueRequired", message: "Required value", field: "data[ssh-privatekey]" },
      ]);
      const { data } = await createIn("secrets", { ...manifest, stringData: { "ssh-privatekey": "key" } });
      expect(data).to.deep.equal({ "ssh-privatekey": "a2V5" });
    });

    it("should refuse a lease for no time", async () => {
      const leases = api.registry.get("coordination.k8s.io/v1", "leases");
      const manifest = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "l" } };
      const withSeconds = (leaseDurationSeconds: number) => ({ ...manifest, spec: { leaseDurationSeconds } });
      expect((await failure(api.writer.create(leases, "lab", withSeconds(0), strict))).code).to.equal(422);
      await api.writer.create(leases, "lab", withSeconds(15), strict);
    });

    it("should keep an immutable config map as it is", async () => {
      const manifest = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "c" },
        data: { a: "1" },
        immutable: true,
      };
      await createIn("configmaps", manifest);
      const configMaps = api.registry.get("v1", "configmaps");
      const change = merge({ data: { a: "2" } });
      const update = api.writer.update(configMaps, { namespace: "lab", name: "c" }, undefined, change, patching);
      expect((await failure(update)).message).to.contain("field is immutable when `immutable` is set");
    });

    it("should show one event in both of its views", async () => {
      const regarding = { kind: "Thing", namespace: "lab", name: "a", uid: "1" };
      const core = {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: "e" },
        involvedObject: regarding,
        message: "m",
      };
      await createIn("events", { ...core, reason: "Moved", type: "Normal" });
      const view = await api.reader.get(api.registry.get("events.k8s.io/v1", "events"), "lab", "e");
      expect(view).to.deep.include({ apiVersion: "events.k8s.io/v1", regarding, note: "m", reason: "Moved" });
      expect(view).not.to.have.property("involvedObject");
    });

    it("should refuse an event in another namespace than its object", async () => {
      const manifest = { apiVersion: "v1", kind: "Event", metadata: { name: "e" }, involvedObject: { name: "host" } };
      expect((await failure(createIn("events", manifest))).message).to.contain("does not match event.namespace");
    });
  });
});
