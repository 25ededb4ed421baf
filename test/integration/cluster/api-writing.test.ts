import { expect } from "chai";
import type { RawAnswer, RawApi } from "../../support/raw-api.ts";
import {
  expectStatus,
  listed,
  type Metadata,
  names,
  stored,
  VirtualMachineApi,
} from "../../support/virtual-machine-api.ts";

describe("writing to the API", () => {
  let vms: VirtualMachineApi;
  let api: RawApi;
  let collection: string;

  before(async () => {
    vms = await VirtualMachineApi.start();
    api = vms.api;
  });

  after(() => vms?.stop());

  beforeEach(async () => {
    await vms.enterNamespace();
    collection = vms.collection;
  });

  afterEach(() => vms.leaveNamespace());

  describe("writing", () => {
    it("should give a new object its identity and defaults, and no status", async () => {
      const object = stored(
        await api.send("POST", collection, { body: { ...vms.body("a"), status: { phase: "Forged" } } }),
      );
      expect(object.metadata.uid).to.match(/^[0-9a-f-]{36}$/);
      expect(object.metadata.creationTimestamp).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(object.metadata.generation).to.equal(1);
      expect(object.spec).to.deep.include({
        powerState: "Running",
        migration: { policy: "Allowed", strategy: "SuspendCopyResume" },
      });
      expect(object).to.not.have.property("status");
    });

    it("should create a name once, and names of its own from a prefix", async () => {
      await vms.create("a");
      const status = expectStatus(await api.send("POST", collection, { body: vms.body("a") }), 409, "AlreadyExists");
      expect(status.details).to.deep.include({ name: "a", group: "vacate.dev", kind: "virtualmachines" });
      const generated = { ...vms.body("x"), metadata: { generateName: "made-" } };
      const made = [
        await api.send("POST", collection, { body: generated }),
        await api.send("POST", collection, { body: generated }),
      ];
      const madeNames = made.map((answer) => stored(answer).metadata.name);
      expect(madeNames.every((name) => /^made-[a-z0-9]{5}$/.test(name))).to.equal(true);
      expect(new Set(madeNames).size).to.equal(2);
    });

    it("should replace only the version that the writer has seen", async () => {
      const first = await vms.create("a");
      expectStatus(await api.send("PUT", `${collection}/a`, { body: vms.body("a") }), 422, "Invalid");
      const changed = { ...first, spec: { ...first.spec, hostName: "host-b" } };
      const second = stored(await api.send("PUT", `${collection}/a`, { body: changed }));
      expect(second.metadata.generation).to.equal(2);
      expectStatus(await api.send("PUT", `${collection}/a`, { body: changed }), 409, "Conflict");
      const same = stored(await api.send("PUT", `${collection}/a`, { body: second }));
      expect(same.metadata.resourceVersion).to.equal(second.metadata.resourceVersion);
      const missing = vms.body("missing", { resourceVersion: second.metadata.resourceVersion });
      expectStatus(await api.send("PUT", `${collection}/missing`, { body: missing }), 404, "NotFound");
    });

    it("should let one of many writers of the same version win", async () => {
      const object = await vms.create("a");
      const attempts = Array.from({ length: 10 }, (_, index) => {
        const changed = { ...object, metadata: { ...object.metadata, annotations: { writer: String(index) } } };
        return api.send("PUT", `${collection}/a`, { body: changed });
      });
      const codes = (await Promise.all(attempts)).map((answer) => answer.code);
      expect(codes.filter((code) => code === 200)).to.have.lengthOf(1);
      expect(codes.filter((code) => code === 409)).to.have.lengthOf(9);
    });

    it("should lose none of many patches of the same object", async () => {
      await vms.create("a");
      // kube-apiserver gives up a patch after five conflicts, so not more at once than that.
      const keys = Array.from({ length: 5 }, (_, index) => `key-${index}`);
      const patches = keys.map((key) => api.merge(`${collection}/a`, { metadata: { annotations: { [key]: "set" } } }));
      for (const answer of await Promise.all(patches)) stored(answer);
      expect((await vms.read("a")).metadata.annotations).to.have.all.keys(keys);
    });

    it("should keep status and spec apart, and count changes of the spec only", async () => {
      await vms.create("a");
      const ofSpec = stored(
        await api.merge(`${collection}/a`, { status: { phase: "Forged" }, spec: { hostName: "host-b" } }),
      );
      expect(ofSpec).to.not.have.property("status");
      expect(ofSpec.metadata.generation).to.equal(2);
      const change = { status: { phase: "Running" }, spec: { hostName: "host-c" }, metadata: { labels: { a: "b" } } };
      const ofStatus = stored(await api.merge(`${collection}/a/status`, change));
      expect(ofStatus.status).to.deep.equal({ phase: "Running" });
      expect(ofStatus.spec.hostName).to.equal("host-b");
      expect(ofStatus.metadata.generation).to.equal(2);
      expect(ofStatus.metadata.labels ?? {}).to.deep.equal({});
      expectStatus(await api.merge(`${collection}/a/status`, { status: { grant: { hostName: "x" } } }), 422, "Invalid");
      const labelled = stored(await api.merge(`${collection}/a`, { metadata: { labels: { a: "b" } } }));
      expect(labelled.metadata.generation).to.equal(2);
      expect(labelled.status).to.deep.equal({ phase: "Running" });
      expect(stored(await api.get(`${collection}/a/status`)).metadata.name).to.equal("a");
    });

    it("should refuse patches that do not fit, and leave the object as it is", async () => {
      const before = await vms.create("a");
      const patch = (text: unknown, contentType: string): Promise<RawAnswer> =>
        api.send("PATCH", `${collection}/a`, { body: text, contentType });
      const json = "application/json-patch+json";
      const half = [
        { op: "replace", path: "/spec/hostName", value: "host-b" },
        { op: "test", path: "/spec/cpus", value: 9 },
      ];
      expectStatus(await patch(half, json), 422, "Invalid");
      expectStatus(await patch({ spec: { cpus: "two" } }, "application/merge-patch+json"), 422, "Invalid");
      expectStatus(await patch({}, "application/strategic-merge-patch+json"), 415, "UnsupportedMediaType");
      expectStatus(await patch({}, "text/plain"), 415, "UnsupportedMediaType");
      expectStatus(await patch({ metadata: { name: "b" } }, "application/merge-patch+json"), 400, "BadRequest");
      expect(await vms.read("a")).to.deep.equal(before);
    });

    it("should merge the fields of a built-in kind strategically", async () => {
      const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { one: "1", two: "2" } };
      await api.send("POST", vms.beside("v1", "configmaps"), { body: configMap });
      const patch = {
        body: { data: { one: null, three: "3" } },
        contentType: "application/strategic-merge-patch+json",
      };
      const answer = await api.send("PATCH", `${vms.beside("v1", "configmaps")}/a`, patch);
      expect(answer.body.data).to.deep.equal({ two: "2", three: "3" });
    });

    it("should store nothing in a dry run", async () => {
      const tried = stored(await api.send("POST", `${collection}?dryRun=All`, { body: vms.body("a") }));
      expect(tried.metadata.uid).to.match(/^[0-9a-f-]{36}$/);
      expectStatus(await api.get(`${collection}/a`), 404, "NotFound");
      const before = await vms.create("a");
      const patched = stored(await api.merge(`${collection}/a?dryRun=All`, { spec: { hostName: "host-b" } }));
      expect(patched.spec.hostName).to.equal("host-b");
      expect((await api.send("DELETE", `${collection}/a?dryRun=All`)).code).to.equal(200);
      expect(await vms.read("a")).to.deep.equal(before);
    });
  });

  describe("deleting", () => {
    it("should wait for the finalizers, and take no new ones meanwhile", async () => {
      await vms.create("a", { finalizers: ["vacate.dev/test"] });
      expect((await api.send("DELETE", `${collection}/a`)).code).to.equal(200);
      const doomed = await vms.read("a");
      expect(doomed.metadata.deletionTimestamp).to.be.a("string");
      const more = { metadata: { finalizers: ["vacate.dev/test", "vacate.dev/more"] } };
      expectStatus(await api.merge(`${collection}/a`, more), 422, "Invalid");
      stored(await api.merge(`${collection}/a/status`, { status: { phase: "Terminating" } }));
      expect((await api.send("DELETE", `${collection}/a`)).code).to.equal(200);
      await api.merge(`${collection}/a`, { metadata: { finalizers: [] } });
      expectStatus(await api.get(`${collection}/a`), 404, "NotFound");
      const anew = await vms.create("a");
      expect(anew.metadata.uid).to.not.equal(doomed.metadata.uid);
    });

    it("should delete only the object that is meant", async () => {
      const { metadata } = await vms.create("a");
      const withUid = (uid: string) => ({
        body: { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid }, propagationPolicy: "Background" },
      });
      const other = withUid("00000000-0000-4000-8000-000000000000");
      expectStatus(await api.send("DELETE", `${collection}/a`, other), 409, "Conflict");
      const answer = await api.send("DELETE", `${collection}/a`, withUid(metadata.uid));
      expect(answer.body).to.deep.include({ kind: "Status", status: "Success" });
      expectStatus(await api.send("DELETE", `${collection}/a`), 404, "NotFound");
    });

    it("should delete what a selector selects", async () => {
      for (const [name, color] of [
        ["a", "red"],
        ["b", "blue"],
        ["c", "red"],
      ] as const)
        await vms.create(name, { labels: { color } });
      expect((await api.send("DELETE", `${collection}?labelSelector=color%3Dred`)).code).to.equal(200);
      expect(names(listed(await api.get(collection)))).to.deep.equal(["b"]);
    });

    it("should empty a namespace before it goes, and put nothing into it meanwhile", async () => {
      await vms.create("a", { finalizers: ["vacate.dev/test"] });
      await api.send("DELETE", `/api/v1/namespaces/${vms.namespace}`);
      expect((await api.send("POST", collection, { body: vms.body("b") })).code).to.be.oneOf([403, 409]);
      const watch = api.watch(`${collection}?watch=true&resourceVersion=0&timeoutSeconds=60`);
      for await (const { object } of watch) {
        if ((object.metadata as unknown as Metadata).deletionTimestamp) break;
      }
      const itself = `/api/v1/namespaces?fieldSelector=metadata.name%3D${vms.namespace}`;
      const { resourceVersion } = listed(await api.get(itself)).metadata;
      await api.merge(`${collection}/a`, { metadata: { finalizers: null } });
      const rest = `${itself}&watch=true&resourceVersion=${resourceVersion}&timeoutSeconds=60`;
      for await (const { type } of api.watch(rest)) if (type === "DELETED") break;
      expectStatus(await api.get(`/api/v1/namespaces/${vms.namespace}`), 404, "NotFound");
    });
  });
});
