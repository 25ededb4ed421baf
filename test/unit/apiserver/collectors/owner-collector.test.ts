import { once } from "node:events";
import { expect } from "chai";
import { OwnerCollector } from "../../../../src/apiserver/collectors/owner-collector.ts";
import { silentLogger } from "../../../../src/apiserver/logger.ts";
import type { KubernetesObject } from "../../../../src/apiserver/resource.ts";
import { type ApiFixture, openApiFixture, thingManifest } from "../../../support/api-fixture.ts";

const strict = { dryRun: false, fieldValidation: "Strict" } as const;

describe("OwnerCollector", () => {
  let api: ApiFixture;
  let collector: OwnerCollector;
  beforeEach(async () => {
    api = await openApiFixture();
    collector = new OwnerCollector(api.registry, api.store, api.clock, silentLogger);
  });
  afterEach(async () => {
    await collector.stop();
    await api.close();
  });

  const reference = (owner: KubernetesObject) => ({
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
  });
  const create = async (name: string, owners: KubernetesObject[] = [], metadata: Record<string, unknown> = {}) => {
    const manifest = thingManifest({ name, ownerReferences: owners.map(reference), ...metadata });
    return (await api.writer.create(api.things, "lab", manifest, strict)).object;
  };
  const remove = (name: string, orphan = false) =>
    api.writer.delete(api.things, { namespace: "lab", name }, { dryRun: false, preconditions: {}, orphan });
  const get = (name: string) => api.store.get({ resource: "things.example.dev", namespace: "lab", name });

  /** Resolves with the next event of this type and name. */
  async function next(type: string, name: string): Promise<KubernetesObject> {
    const target = new EventTarget();
    const unsubscribe = api.store.subscribe("things.example.dev", (event) => {
      const isWanted = event.type === type && event.object.metadata.name === name;
      if (isWanted) target.dispatchEvent(new CustomEvent("seen", { detail: event.object }));
    });
    const [{ detail }] = await once(target, "seen");
    unsubscribe();
    return detail;
  }

  it("should delete what depends on a deleted owner, and what depends on that", async () => {
    const owner = await create("owner");
    await create("grandchild", [await create("child", [owner])]);
    const gone = Promise.all([next("DELETED", "child"), next("DELETED", "grandchild")]);
    await remove("owner");
    await gone;
    expect(await get("child")).to.equal(undefined);
  });

  it("should keep what has another owner, without the gone one", async () => {
    const owners = [await create("a"), await create("b")];
    await create("child", owners);
    const changed = next("MODIFIED", "child");
    await remove("a");
    expect((await changed).metadata.ownerReferences?.map(({ name }) => name)).to.deep.equal(["b"]);
  });

  it("should leave dependents alive when the owner is deleted with the policy Orphan", async () => {
    const owner = await create("owner");
    await create("child", [owner]);
    const gone = next("DELETED", "owner");
    const { object } = await remove("owner", true);
    expect(object.metadata.finalizers).to.deep.equal(["orphan"]);
    await gone;
    const child = await get("child");
    expect(child?.metadata).not.to.have.property("ownerReferences");
    expect(child?.metadata).not.to.have.property("deletionTimestamp");
  });

  it("should honour the finalizers of dependents", async () => {
    const owner = await create("owner");
    await create("child", [owner], { finalizers: ["example.dev/x"] });
    const marked = next("MODIFIED", "child");
    await remove("owner");
    expect((await marked).metadata.deletionTimestamp).to.be.a("string");
    expect(await get("child")).not.to.equal(undefined);
  });

  it("should delete an object whose owner of that uid does not exist", async () => {
    const owner = await create("owner");
    const other = { ...owner, metadata: { ...owner.metadata, uid: "another-uid" } };
    const gone = next("DELETED", "child");
    await create("child", [other]);
    await gone;
    expect(await get("owner")).not.to.equal(undefined);
  });

  it("should leave objects alone whose owner's kind it does not know", async () => {
    const owner = await create("owner");
    const unknown = { ...owner, apiVersion: "apps/v1", kind: "Deployment" };
    await create("stays", [unknown]);
    const gone = next("DELETED", "child");
    await create("child", [owner]);
    await remove("owner");
    await gone;
    expect(await get("stays")).not.to.equal(undefined);
  });

  it("should go on with what an earlier process left", async () => {
    const owner = await create("owner");
    await create("child", [owner]);
    await collector.stop();
    await remove("owner");
    collector = new OwnerCollector(api.registry, api.store, api.clock, silentLogger);
    const gone = next("DELETED", "child");
    await collector.resume();
    await gone;
  });
});
