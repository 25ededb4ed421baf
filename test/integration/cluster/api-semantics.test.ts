import { randomBytes } from "node:crypto";
import { expect } from "chai";
import type { JsonObject } from "../../../src/apiserver/resource.ts";
import { type RawAnswer, RawApi } from "../../support/raw-api.ts";
import { type ServerUnderTest, startServerUnderTest } from "../../support/server-under-test.ts";
import { type KindUnderTest, manifest, projectKinds } from "./kinds.ts";

interface Metadata {
  name: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
}

interface Stored {
  metadata: Metadata;
  spec: JsonObject;
  status?: JsonObject;
}

interface List {
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: Stored[];
}

const virtualMachine = projectKinds.find((kind) => kind.kind === "VirtualMachine") as KindUnderTest;

function stored({ code, body }: RawAnswer): Stored {
  expect(code, JSON.stringify(body)).to.be.within(200, 201);
  return body as unknown as Stored;
}

function listed({ code, body }: RawAnswer): List {
  expect(code, JSON.stringify(body)).to.equal(200);
  return body as unknown as List;
}

function names(list: List): string[] {
  return list.items.map((item) => item.metadata.name);
}

/** An answer must be a Status with this code and reason. */
function expectStatus({ code, body }: RawAnswer, wanted: number, reason: string): JsonObject {
  expect(body).to.include({ kind: "Status", apiVersion: "v1", status: "Failure", code: wanted, reason });
  expect(code).to.equal(wanted);
  expect(body.message).to.be.a("string").that.is.not.empty;
  return body;
}

describe("the API", () => {
  let server: ServerUnderTest;
  let api: RawApi;
  let namespace: string;
  let collection: string;
  let configMaps: string;

  before(async () => {
    server = await startServerUnderTest();
    api = await RawApi.create(server.kubeconfigPath);
  });

  after(() => server?.stop());

  beforeEach(async () => {
    namespace = `api-${randomBytes(4).toString("hex")}`;
    collection = `/apis/vacate.dev/v1alpha1/namespaces/${namespace}/virtualmachines`;
    configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
    await api.send("POST", "/api/v1/namespaces", {
      body: { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    });
  });

  afterEach(() => api.send("DELETE", `/api/v1/namespaces/${namespace}`));

  const body = (name: string, metadata: JsonObject = {}): JsonObject =>
    manifest(virtualMachine, name, namespace, metadata);
  const create = async (name: string, metadata: JsonObject = {}): Promise<Stored> =>
    stored(await api.send("POST", collection, { body: body(name, metadata) }));
  const read = async (name: string): Promise<Stored> => stored(await api.get(`${collection}/${name}`));
  const mergeStatus = (name: string, change: JsonObject): Promise<RawAnswer> =>
    api.merge(`${collection}/${name}/status`, change);

  describe("to those without an identity", () => {
    it("should answer nothing of what is stored", async () => {
      for (const path of [collection, "/api/v1/secrets", "/apis/vacate.dev/v1alpha1/vmhosts?watch=true"]) {
        expect((await api.anonymous().get(path)).code).to.be.oneOf([401, 403]);
      }
    });
  });

  describe("writing", () => {
    it("should give a new object its identity and defaults, and no status", async () => {
      const object = stored(
        await api.send("POST", collection, { body: { ...body("a"), status: { phase: "Forged" } } }),
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
      await create("a");
      const status = expectStatus(await api.send("POST", collection, { body: body("a") }), 409, "AlreadyExists");
      expect(status.details).to.deep.include({ name: "a", group: "vacate.dev", kind: "virtualmachines" });
      const generated = { ...body("x"), metadata: { generateName: "made-" } };
      const made = [
        await api.send("POST", collection, { body: generated }),
        await api.send("POST", collection, { body: generated }),
      ];
      const madeNames = made.map((answer) => stored(answer).metadata.name);
      expect(madeNames.every((name) => /^made-[a-z0-9]{5}$/.test(name))).to.equal(true);
      expect(new Set(madeNames).size).to.equal(2);
    });

    it("should replace only the version that the writer has seen", async () => {
      const first = await create("a");
      expectStatus(await api.send("PUT", `${collection}/a`, { body: body("a") }), 422, "Invalid");
      const changed = { ...first, spec: { ...first.spec, hostName: "host-b" } };
      const second = stored(await api.send("PUT", `${collection}/a`, { body: changed }));
      expect(second.metadata.generation).to.equal(2);
      expectStatus(await api.send("PUT", `${collection}/a`, { body: changed }), 409, "Conflict");
      const same = stored(await api.send("PUT", `${collection}/a`, { body: second }));
      expect(same.metadata.resourceVersion).to.equal(second.metadata.resourceVersion);
      const missing = body("missing", { resourceVersion: second.metadata.resourceVersion });
      expectStatus(await api.send("PUT", `${collection}/missing`, { body: missing }), 404, "NotFound");
    });

    it("should let one of many writers of the same version win", async () => {
      const object = await create("a");
      const attempts = Array.from({ length: 10 }, (_, index) => {
        const changed = { ...object, metadata: { ...object.metadata, annotations: { writer: String(index) } } };
        return api.send("PUT", `${collection}/a`, { body: changed });
      });
      const codes = (await Promise.all(attempts)).map((answer) => answer.code);
      expect(codes.filter((code) => code === 200)).to.have.lengthOf(1);
      expect(codes.filter((code) => code === 409)).to.have.lengthOf(9);
    });

    it("should lose none of many patches of the same object", async () => {
      await create("a");
      // kube-apiserver gives up a patch after five conflicts, so not more at once than that.
      const keys = Array.from({ length: 5 }, (_, index) => `key-${index}`);
      const patches = keys.map((key) => api.merge(`${collection}/a`, { metadata: { annotations: { [key]: "set" } } }));
      for (const answer of await Promise.all(patches)) stored(answer);
      expect((await read("a")).metadata.annotations).to.have.all.keys(keys);
    });

    it("should keep status and spec apart, and count changes of the spec only", async () => {
      await create("a");
      const ofSpec = stored(
        await api.merge(`${collection}/a`, { status: { phase: "Forged" }, spec: { hostName: "host-b" } }),
      );
      expect(ofSpec).to.not.have.property("status");
      expect(ofSpec.metadata.generation).to.equal(2);
      const change = { status: { phase: "Running" }, spec: { hostName: "host-c" }, metadata: { labels: { a: "b" } } };
      const ofStatus = stored(await mergeStatus("a", change));
      expect(ofStatus.status).to.deep.equal({ phase: "Running" });
      expect(ofStatus.spec.hostName).to.equal("host-b");
      expect(ofStatus.metadata.generation).to.equal(2);
      expect(ofStatus.metadata.labels ?? {}).to.deep.equal({});
      expectStatus(await mergeStatus("a", { status: { grant: { hostName: "x" } } }), 422, "Invalid");
      const labelled = stored(await api.merge(`${collection}/a`, { metadata: { labels: { a: "b" } } }));
      expect(labelled.metadata.generation).to.equal(2);
      expect(labelled.status).to.deep.equal({ phase: "Running" });
      expect(stored(await api.get(`${collection}/a/status`)).metadata.name).to.equal("a");
    });

    it("should refuse patches that do not fit, and leave the object as it is", async () => {
      const before = await create("a");
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
      expect(await read("a")).to.deep.equal(before);
    });

    it("should merge the fields of a built-in kind strategically", async () => {
      const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { one: "1", two: "2" } };
      await api.send("POST", configMaps, { body: configMap });
      const patch = {
        body: { data: { one: null, three: "3" } },
        contentType: "application/strategic-merge-patch+json",
      };
      const answer = await api.send("PATCH", `${configMaps}/a`, patch);
      expect(answer.body.data).to.deep.equal({ two: "2", three: "3" });
    });

    it("should store nothing in a dry run", async () => {
      const tried = stored(await api.send("POST", `${collection}?dryRun=All`, { body: body("a") }));
      expect(tried.metadata.uid).to.match(/^[0-9a-f-]{36}$/);
      expectStatus(await api.get(`${collection}/a`), 404, "NotFound");
      const before = await create("a");
      const patched = stored(await api.merge(`${collection}/a?dryRun=All`, { spec: { hostName: "host-b" } }));
      expect(patched.spec.hostName).to.equal("host-b");
      expect((await api.send("DELETE", `${collection}/a?dryRun=All`)).code).to.equal(200);
      expect(await read("a")).to.deep.equal(before);
    });
  });

  describe("deleting", () => {
    it("should wait for the finalizers, and take no new ones meanwhile", async () => {
      await create("a", { finalizers: ["vacate.dev/test"] });
      expect((await api.send("DELETE", `${collection}/a`)).code).to.equal(200);
      const doomed = await read("a");
      expect(doomed.metadata.deletionTimestamp).to.be.a("string");
      const more = { metadata: { finalizers: ["vacate.dev/test", "vacate.dev/more"] } };
      expectStatus(await api.merge(`${collection}/a`, more), 422, "Invalid");
      stored(await mergeStatus("a", { status: { phase: "Terminating" } }));
      expect((await api.send("DELETE", `${collection}/a`)).code).to.equal(200);
      await api.merge(`${collection}/a`, { metadata: { finalizers: [] } });
      expectStatus(await api.get(`${collection}/a`), 404, "NotFound");
      const anew = await create("a");
      expect(anew.metadata.uid).to.not.equal(doomed.metadata.uid);
    });

    it("should delete only the object that is meant", async () => {
      const { metadata } = await create("a");
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
        await create(name, { labels: { color } });
      expect((await api.send("DELETE", `${collection}?labelSelector=color%3Dred`)).code).to.equal(200);
      expect(names(listed(await api.get(collection)))).to.deep.equal(["b"]);
    });

    it("should empty a namespace before it goes, and put nothing into it meanwhile", async () => {
      await create("a", { finalizers: ["vacate.dev/test"] });
      await api.send("DELETE", `/api/v1/namespaces/${namespace}`);
      expect((await api.send("POST", collection, { body: body("b") })).code).to.be.oneOf([403, 409]);
      const watch = api.watch(`${collection}?watch=true&resourceVersion=0&timeoutSeconds=60`);
      for await (const { object } of watch) {
        if ((object.metadata as unknown as Metadata).deletionTimestamp) break;
      }
      const itself = `/api/v1/namespaces?fieldSelector=metadata.name%3D${namespace}`;
      const { resourceVersion } = listed(await api.get(itself)).metadata;
      await api.merge(`${collection}/a`, { metadata: { finalizers: null } });
      const rest = `${itself}&watch=true&resourceVersion=${resourceVersion}&timeoutSeconds=60`;
      for await (const { type } of api.watch(rest)) if (type === "DELETED") break;
      expectStatus(await api.get(`/api/v1/namespaces/${namespace}`), 404, "NotFound");
    });
  });

  describe("reading", () => {
    it("should page through the list as it was at its first page", async () => {
      const all = ["a", "b", "c", "d", "e"];
      for (const name of all) await create(name);
      const first = listed(await api.get(`${collection}?limit=2`));
      expect(names(first)).to.deep.equal(["a", "b"]);
      expect(first.metadata.remainingItemCount).to.equal(3);
      await create("bb");
      await api.send("DELETE", `${collection}/e`);
      const next = async (token: string | undefined): Promise<List> =>
        listed(await api.get(`${collection}?limit=2&continue=${encodeURIComponent(token ?? "")}`));
      const second = await next(first.metadata.continue);
      const third = await next(second.metadata.continue);
      expect([...names(second), ...names(third)]).to.deep.equal(["c", "d", "e"]);
      expect(third.metadata.resourceVersion).to.equal(first.metadata.resourceVersion);
      expect(third.metadata.continue ?? "").to.equal("");
      expectStatus(await api.get(`${collection}?continue=nonsense`), 400, "BadRequest");
    });

    it("should select by labels and by name, and refuse fields it cannot select by", async () => {
      await create("a", { labels: { color: "red", size: "s" } });
      await create("b", { labels: { color: "blue" } });
      const select = async (query: string): Promise<string[]> =>
        names(listed(await api.get(`${collection}?${new URLSearchParams(query)}`)));
      expect(await select("labelSelector=color=red")).to.deep.equal(["a"]);
      expect(await select("labelSelector=color!=red")).to.deep.equal(["b"]);
      expect(await select("labelSelector=color in (red,blue),size")).to.deep.equal(["a"]);
      expect(await select("labelSelector=!size")).to.deep.equal(["b"]);
      expect(await select("labelSelector=color notin (red)")).to.deep.equal(["b"]);
      expect(await select("fieldSelector=metadata.name!=a")).to.deep.equal(["b"]);
      expectStatus(await api.get(`${collection}?fieldSelector=spec.cpus%3D1`), 400, "BadRequest");
      expectStatus(await api.get(`${collection}?labelSelector=a%20b`), 400, "BadRequest");
    });

    it("should answer in the form that is asked for", async () => {
      await create("a");
      const partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";
      const { items } = (await api.get(collection, partial)).body as { items: JsonObject[] };
      expect(items[0]).to.include({ kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1" });
      expect(items[0]).to.not.have.property("spec");
      const table = (await api.get(`${collection}?includeObject=None`, "application/json;as=Table;v=v1;g=meta.k8s.io"))
        .body;
      expect(table).to.include({ kind: "Table", apiVersion: "meta.k8s.io/v1" });
      const [row] = table.rows as { cells: unknown[]; object?: unknown }[];
      expect(row?.cells.slice(0, 5)).to.deep.equal(["a", null, null, null, "512Mi"]);
      expect(row?.object ?? null).to.equal(null);
      expectStatus(await api.get(collection, "text/html"), 406, "NotAcceptable");
    });

    it("should say what is not there", async () => {
      const status = expectStatus(await api.get(`${collection}/missing`), 404, "NotFound");
      expect(status.message).to.equal('virtualmachines.vacate.dev "missing" not found');
      expect((await api.get("/apis/vacate.dev/v1alpha1/nothing")).code).to.equal(404);
      expect((await api.get("/apis/none.dev/v1")).code).to.equal(404);
      expect(listed(await api.get("/api/v1/namespaces/nowhere/configmaps")).items).to.deep.equal([]);
    });
  });

  describe("watching", () => {
    /** The next events as "TYPE name", until there are this many. */
    async function follow(path: string, count: number): Promise<string[]> {
      const seen: string[] = [];
      for await (const { type, object } of api.watch(path)) {
        seen.push(`${type} ${(object.metadata as unknown as Metadata).name}`);
        if (seen.length === count) break;
      }
      return seen;
    }

    it("should send what happened since a version, in order, and then what happens", async () => {
      await create("before");
      const { resourceVersion } = listed(await api.get(collection)).metadata;
      await create("a");
      await api.merge(`${collection}/a`, { spec: { hostName: "host-b" } });
      const following = follow(`${collection}?watch=true&resourceVersion=${resourceVersion}&timeoutSeconds=60`, 5);
      await api.send("DELETE", `${collection}/before`);
      await create("b");
      await api.send("DELETE", `${collection}/a`);
      expect(await following).to.deep.equal(["ADDED a", "MODIFIED a", "DELETED before", "ADDED b", "DELETED a"]);
    });

    it("should show an object that begins or ceases to be selected as added or deleted", async () => {
      const { resourceVersion } = listed(await api.get(collection)).metadata;
      await create("a");
      for (const color of ["red", "red", "blue"])
        await api.merge(`${collection}/a`, { metadata: { labels: { color } } });
      await create("last", { labels: { color: "red" } });
      const query = `watch=true&labelSelector=color%3Dred&resourceVersion=${resourceVersion}&timeoutSeconds=60`;
      expect(await follow(`${collection}?${query}`, 3)).to.deep.equal(["ADDED a", "DELETED a", "ADDED last"]);
    });

    it("should begin with what is there when no version is named", async () => {
      await create("a");
      await create("b");
      expect(await follow(`${collection}?watch=true&timeoutSeconds=60`, 2)).to.have.members(["ADDED a", "ADDED b"]);
    });

    it("should end after the time that was asked for", async () => {
      const started = performance.now();
      for await (const event of api.watch(`${collection}?watch=true&timeoutSeconds=1`))
        expect(event.type).to.equal("none");
      expect(performance.now() - started).to.be.within(900, 10_000);
    });
  });

  describe("of the built-in kinds", () => {
    it("should keep a secret's strings as bytes, and its type", async () => {
      const secrets = `/api/v1/namespaces/${namespace}/secrets`;
      const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "a" }, stringData: { key: "value" } };
      const made = (await api.send("POST", secrets, { body: secret })).body;
      expect(made).to.deep.include({ type: "Opaque", data: { key: "dmFsdWU=" } });
      expect(made).to.not.have.property("stringData");
      expectStatus(await api.merge(`${secrets}/a`, { type: "other" }), 422, "Invalid");
    });

    it("should keep what is immutable", async () => {
      const configMap = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "a" },
        immutable: true,
        data: { a: "1" },
      };
      await api.send("POST", configMaps, { body: configMap });
      expectStatus(await api.merge(`${configMaps}/a`, { data: { a: "2" } }), 422, "Invalid");
      expectStatus(await api.merge(`${configMaps}/a`, { immutable: false }), 422, "Invalid");
    });

    it("should show an event in both of its APIs", async () => {
      const event = {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: "a" },
        involvedObject: { kind: "VirtualMachine", name: "vm", namespace },
        reason: "Tried",
        message: "words",
        type: "Normal",
        source: { component: "test" },
        count: 3,
        firstTimestamp: "2026-01-01T00:00:00Z",
        lastTimestamp: "2026-01-01T00:00:00Z",
      };
      expect((await api.send("POST", `/api/v1/namespaces/${namespace}/events`, { body: event })).code).to.equal(201);
      const modern = (await api.get(`/apis/events.k8s.io/v1/namespaces/${namespace}/events/a`)).body;
      expect(modern).to.deep.include({ note: "words", reason: "Tried", deprecatedCount: 3 });
      expect(modern.regarding).to.deep.include({ kind: "VirtualMachine", name: "vm" });
    });

    it("should let one of two holders take a lease", async () => {
      const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
      const spec = { holderIdentity: "one", leaseDurationSeconds: 15, renewTime: "2026-01-01T00:00:00.123456Z" };
      const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "a" }, spec };
      const made = stored(await api.send("POST", leases, { body: lease }));
      expect(made.spec).to.deep.equal(spec);
      const takeOver = (holderIdentity: string): Promise<RawAnswer> =>
        api.send("PUT", `${leases}/a`, { body: { ...made, spec: { ...spec, holderIdentity } } });
      const codes = (await Promise.all([takeOver("two"), takeOver("three")])).map((answer) => answer.code);
      expect(codes).to.have.members([200, 409]);
    });
  });
});
