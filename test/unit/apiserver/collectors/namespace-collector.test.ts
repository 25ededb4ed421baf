import { once } from "node:events";
import { expect } from "chai";
import { NamespaceCollector } from "../../../../src/apiserver/collectors/namespace-collector.ts";
import { silentLogger } from "../../../../src/apiserver/logger.ts";
import { applyMergePatch } from "../../../../src/apiserver/patch.ts";
import type { StatusError } from "../../../../src/apiserver/status.ts";
import { type ApiFixture, openApiFixture, thingManifest } from "../../../support/api-fixture.ts";
import { rejection } from "../../../support/rejection.ts";

const strict = { dryRun: false, fieldValidation: "Strict" } as const;
const deletion = { dryRun: false, preconditions: {} };

describe("NamespaceCollector", () => {
  let api: ApiFixture;
  let collector: NamespaceCollector;
  beforeEach(async () => {
    api = await openApiFixture();
    collector = new NamespaceCollector(api.registry, api.store, api.writer, silentLogger);
  });
  afterEach(async () => {
    await collector.stop();
    await api.close();
  });

  const namespaces = () => api.registry.get("v1", "namespaces");
  const create = (metadata: Record<string, unknown>) =>
    api.writer.create(api.things, "lab", thingManifest(metadata), strict);
  const deleteLab = () => api.writer.delete(namespaces(), { namespace: "", name: "lab" }, deletion);

  /** Resolves when an object of this resource and name has been deleted. */
  function deleted(resource: string, name: string): Promise<unknown> {
    const target = new EventTarget();
    api.store.subscribe(resource, ({ type, object }) => {
      if (type === "DELETED" && object.metadata.name === name) target.dispatchEvent(new Event("deleted"));
    });
    return once(target, "deleted");
  }

  it("should empty a namespace and let it go", async () => {
    await create({ name: "a" });
    const gone = deleted("namespaces", "lab");
    const { object } = await deleteLab();
    expect(object.status).to.deep.equal({ phase: "Terminating" });
    await gone;
    expect(await rejection(api.reader.get(api.things, "lab", "a"))).to.have.property("code", 404);
  });

  it("should wait for finalizers, and refuse new content meanwhile", async () => {
    await create({ name: "a" });
    await create({ name: "b", finalizers: ["example.dev/x"] });
    const emptied = deleted("things.example.dev", "a");
    await deleteLab();
    await emptied;
    const error = (await rejection(create({ name: "c" }))) as StatusError;
    expect(error.code).to.equal(403);
    expect(error.message).to.contain("because it is being terminated");
    expect((await api.reader.get(namespaces(), "", "lab")).metadata.deletionTimestamp).to.be.a("string");
    const gone = deleted("namespaces", "lab");
    const change = (current: unknown) => applyMergePatch(current, { metadata: { finalizers: null } });
    const options = { ...strict, unconditional: true };
    await api.writer.update(api.things, { namespace: "lab", name: "b" }, undefined, change, options);
    await gone;
  });

  it("should go on with what an earlier process left", async () => {
    await collector.stop();
    await create({ name: "a" });
    await deleteLab();
    collector = new NamespaceCollector(api.registry, api.store, api.writer, silentLogger);
    const gone = deleted("namespaces", "lab");
    await collector.resume();
    await gone;
  });

  it("should refuse to delete namespaces that the server needs", async () => {
    const error = await rejection(api.writer.delete(namespaces(), { namespace: "", name: "default" }, deletion));
    expect(error.message).to.equal('namespaces "default" is forbidden: this namespace may not be deleted');
  });
});
