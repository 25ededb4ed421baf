import { expect } from "chai";
import type { StatusError } from "../../../../src/apiserver/status.ts";
import { type ApiFixture, openApiFixture, thingManifest } from "../../../support/api-fixture.ts";
import { kubernetesObject } from "../../../support/kubernetes-object.ts";
import { rejection } from "../../../support/rejection.ts";

const strict = { dryRun: false, fieldValidation: "Strict" } as const;

describe("ObjectReader", () => {
  let api: ApiFixture;
  beforeEach(async () => {
    api = await openApiFixture(20);
    for (const name of ["a", "b", "c", "d", "e"]) await create(name, name < "c" ? "early" : "late");
  });
  afterEach(() => api.close());

  const create = (name: string, phase: string, namespace = "lab") =>
    api.writer.create(api.things, namespace, thingManifest({ name, labels: { phase } }), strict);
  const list = (query: Record<string, string> = {}, namespace: string | undefined = "lab") =>
    api.reader.list(api.things, namespace, new URLSearchParams(query));
  const names = ({ items }: { items: { metadata: { name: string } }[] }) => items.map(({ metadata }) => metadata.name);
  const failure = async (promise: Promise<unknown>) => (await rejection(promise)) as StatusError;

  it("should list one namespace or all", async () => {
    await create("z", "late", "default");
    expect(names(await list())).to.deep.equal(["a", "b", "c", "d", "e"]);
    expect(names(await api.reader.list(api.things, undefined, new URLSearchParams()))).to.deep.equal([
      "z",
      "a",
      "b",
      "c",
      "d",
      "e",
    ]);
  });

  it("should page through the state of one moment, whatever happens in between", async () => {
    const first = await list({ limit: "2" });
    expect(names(first)).to.deep.equal(["a", "b"]);
    expect(first.metadata.remainingItemCount).to.equal(3);
    await create("bb", "late");
    await api.writer.delete(api.things, { namespace: "lab", name: "d" }, { dryRun: false, preconditions: {} });
    const second = await list({ limit: "2", continue: first.metadata.continue ?? "" });
    expect(names(second)).to.deep.equal(["c", "d"]);
    expect(second.metadata).to.include({ remainingItemCount: 1, resourceVersion: first.metadata.resourceVersion });
    const third = await list({ limit: "2", continue: second.metadata.continue ?? "" });
    expect(names(third)).to.deep.equal(["e"]);
    expect(third.metadata).not.to.have.property("continue");
  });

  it("should page through a selection", async () => {
    const first = await list({ limit: "2", labelSelector: "phase=late" });
    expect(names(first)).to.deep.equal(["c", "d"]);
    expect(first.metadata).not.to.have.property("remainingItemCount");
    const second = await list({ limit: "2", labelSelector: "phase=late", continue: first.metadata.continue ?? "" });
    expect(names(second)).to.deep.equal(["e"]);
  });

  it("should answer 410 for pages of a state that is compacted", async () => {
    const first = await list({ limit: "2" });
    for (let count = 0; count < 30; count++) await create(`x${count}`, "late");
    const error = await failure(list({ continue: first.metadata.continue ?? "" }));
    expect(error).to.include({ code: 410, reason: "Expired" });
  });

  it("should show an exact earlier state", async () => {
    const revision = (await list()).metadata.resourceVersion;
    await create("f", "late");
    expect(names(await list({ resourceVersion: revision, resourceVersionMatch: "Exact" }))).not.to.include("f");
    expect(names(await list({ resourceVersion: revision }))).to.include("f");
  });

  it("should show objects of an older definition by the present one", async () => {
    const key = { resource: "things.example.dev", namespace: "lab", name: "a" };
    const spec = { size: 1, formerField: true };
    await api.store.write(key, (current) => ({
      action: "put",
      object: { ...kubernetesObject({ name: "a" }), ...current, spec },
    }));
    const shown = await api.reader.get(api.things, "lab", "a");
    expect(shown.spec).to.deep.equal({ size: 1, color: "blue" });
    expect((await list()).items[0]).to.deep.equal(shown);
  });

  it("should refuse a state that is yet to come, and what it cannot read", async () => {
    expect((await failure(list({ resourceVersion: "9999" }))).code).to.equal(504);
    expect((await failure(list({ resourceVersion: "x" }))).code).to.equal(400);
    expect((await failure(list({ limit: "-1" }))).code).to.equal(400);
    expect((await failure(list({ continue: "bm9uc2Vuc2U" }))).code).to.equal(400);
  });
});
