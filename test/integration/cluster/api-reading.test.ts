import { expect } from "chai";
import type { JsonObject } from "../../../src/apiserver/resource.ts";
import type { RawApi } from "../../support/raw-api.ts";
import {
  expectStatus,
  type List,
  listed,
  type Metadata,
  names,
  VirtualMachineApi,
} from "../../support/virtual-machine-api.ts";

describe("reading from the API", () => {
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

  describe("to those without an identity", () => {
    it("should answer nothing of what is stored", async () => {
      for (const path of [collection, "/api/v1/secrets", "/apis/vacate.dev/v1alpha1/vmhosts?watch=true"]) {
        expect((await api.anonymous().get(path)).code).to.be.oneOf([401, 403]);
      }
    });
  });

  describe("reading", () => {
    it("should page through the list as it was at its first page", async () => {
      const all = ["a", "b", "c", "d", "e"];
      for (const name of all) await vms.create(name);
      const first = listed(await api.get(`${collection}?limit=2`));
      expect(names(first)).to.deep.equal(["a", "b"]);
      expect(first.metadata.remainingItemCount).to.equal(3);
      await vms.create("bb");
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
      await vms.create("a", { labels: { color: "red", size: "s" } });
      await vms.create("b", { labels: { color: "blue" } });
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
      await vms.create("a");
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
      await vms.create("before");
      const { resourceVersion } = listed(await api.get(collection)).metadata;
      await vms.create("a");
      await api.merge(`${collection}/a`, { spec: { hostName: "host-b" } });
      const following = follow(`${collection}?watch=true&resourceVersion=${resourceVersion}&timeoutSeconds=60`, 5);
      await api.send("DELETE", `${collection}/before`);
      await vms.create("b");
      await api.send("DELETE", `${collection}/a`);
      expect(await following).to.deep.equal(["ADDED a", "MODIFIED a", "DELETED before", "ADDED b", "DELETED a"]);
    });

    it("should show an object that begins or ceases to be selected as added or deleted", async () => {
      const { resourceVersion } = listed(await api.get(collection)).metadata;
      await vms.create("a");
      for (const color of ["red", "red", "blue"])
        await api.merge(`${collection}/a`, { metadata: { labels: { color } } });
      await vms.create("last", { labels: { color: "red" } });
      const query = `watch=true&labelSelector=color%3Dred&resourceVersion=${resourceVersion}&timeoutSeconds=60`;
      expect(await follow(`${collection}?${query}`, 3)).to.deep.equal(["ADDED a", "DELETED a", "ADDED last"]);
    });

    it("should begin with what is there when no version is named", async () => {
      await vms.create("a");
      await vms.create("b");
      expect(await follow(`${collection}?watch=true&timeoutSeconds=60`, 2)).to.have.members(["ADDED a", "ADDED b"]);
    });

    it("should end after the time that was asked for", async () => {
      const started = performance.now();
      for await (const event of api.watch(`${collection}?watch=true&timeoutSeconds=1`))
        expect(event.type).to.equal("none");
      expect(performance.now() - started).to.be.within(900, 10_000);
    });
  });
});
