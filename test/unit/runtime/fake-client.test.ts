import { expect } from "chai";
import { type VirtualMachine, virtualMachines } from "../../../src/api/resources.ts";
import { ApiError, isAlreadyExists, isConflict, isNotFound } from "../../../src/runtime/client.ts";
import { ensureFinalizer, removeFinalizer } from "../../../src/runtime/finalizer.ts";
import { difference, patchStatus } from "../../../src/runtime/status-patch.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { reconcileContext } from "../../support/recording-events.ts";
import { rejection } from "../../support/rejection.ts";
import { vm } from "./objects.ts";

const key = { namespace: "lab", name: "guest-1" };

describe("FakeClient", () => {
  let client: FakeClient;
  beforeEach(() => {
    client = new FakeClient(new FakeClock());
  });

  it("should refuse to create an object twice, and to read one that is not there", async () => {
    await client.create(virtualMachines, vm());
    expect(isAlreadyExists(await rejection(client.create(virtualMachines, vm())))).to.equal(true);
    expect(isNotFound(await rejection(client.get(virtualMachines, { namespace: "lab", name: "other" })))).to.equal(
      true,
    );
  });

  it("should keep spec and status apart as the status subresource does", async () => {
    const created = await client.create(virtualMachines, { ...vm(), status: { phase: "Running" } });
    expect(created.status).to.equal(undefined);
    await client.patch(virtualMachines, key, { spec: { hostName: "host-a" }, status: { phase: "Running" } });
    const main = client.peek(virtualMachines, key);
    expect([main?.spec.hostName, main?.status, main?.metadata.generation]).to.deep.equal(["host-a", undefined, 2]);
    const patch = { spec: { hostName: "host-b" }, status: { phase: "Running" } };
    const after = await client.patch(virtualMachines, key, patch, { subresource: "status" });
    expect([after.spec.hostName, after.status?.phase, after.metadata.generation]).to.deep.equal([
      "host-a",
      "Running",
      2,
    ]);
  });

  it("should refuse a write on an old version, and keep the version when nothing changes", async () => {
    const first = await client.create(virtualMachines, vm());
    const second = await client.patch(virtualMachines, key, { spec: { hostName: "host-a" } });
    expect(isConflict(await rejection(client.replace(virtualMachines, first)))).to.equal(true);
    const same = await client.patch(virtualMachines, key, { spec: { hostName: "host-a" } });
    expect(same.metadata.resourceVersion).to.equal(second.metadata.resourceVersion);
  });

  it("should keep a deleted object until its last finalizer is gone", async () => {
    const object = await ensureFinalizer(
      client,
      virtualMachines,
      await client.create(virtualMachines, vm()),
      "v.dev/f",
    );
    await client.delete(virtualMachines, key);
    const deleting = client.peek(virtualMachines, key) as VirtualMachine;
    expect(deleting.metadata.deletionTimestamp).to.be.a("string");
    expect(isConflict(await rejection(removeFinalizer(client, virtualMachines, object, "v.dev/f")))).to.equal(true);
    await removeFinalizer(client, virtualMachines, deleting, "v.dev/f");
    expect(client.peek(virtualMachines, key)).to.equal(undefined);
    await removeFinalizer(client, virtualMachines, deleting, "v.dev/f");
  });

  it("should answer a watch from a compacted version with 410", async () => {
    const created = await client.create(virtualMachines, vm());
    const resourceVersion = created.metadata.resourceVersion as string;
    await client.patch(virtualMachines, key, { spec: { hostName: "host-a" } });
    client.compact();
    const watch = client.watch(virtualMachines, { resourceVersion })[Symbol.asyncIterator]();
    expect(await rejection(watch.next())).to.have.property("code", 410);
  });

  it("should send a watch what happened since, then what happens, until it is ended", async () => {
    client.seed(virtualMachines, vm());
    const seen: string[] = [];
    const watching = (async () => {
      for await (const event of client.watch(virtualMachines, { resourceVersion: "0" })) seen.push(event.type);
    })();
    await client.patch(virtualMachines, key, { spec: { hostName: "host-a" } });
    await client.delete(virtualMachines, key);
    client.endWatches();
    await watching;
    expect(seen).to.deep.equal(["ADDED", "MODIFIED", "DELETED"]);
  });

  it("should fail the next call of a verb once, before it has an effect", async () => {
    client.seed(virtualMachines, vm());
    client.failNext("patch", virtualMachines, new ApiError(500, "InternalError", "broken"));
    const broken = client.patch(virtualMachines, key, { spec: { hostName: "host-a" } });
    expect(await rejection(broken)).to.have.property("code", 500);
    expect(client.peek(virtualMachines, key)?.spec.hostName).to.equal(undefined);
    await client.patch(virtualMachines, key, { spec: { hostName: "host-a" } });
  });

  it("should keep its cache up to date, objects seeded before included", async () => {
    client.seed(virtualMachines, vm());
    const cache = client.cache(virtualMachines);
    cache.addIndex("home", (object) => object.spec.hostName);
    await client.patch(virtualMachines, key, { spec: { hostName: "host-a" } });
    expect(cache.byIndex("home", "host-a")).to.have.length(1);
    await client.delete(virtualMachines, key);
    expect(cache.list()).to.deep.equal([]);
  });
});

describe("patchStatus", () => {
  it("should send only what differs, on the version that was read, and nothing when nothing differs", async () => {
    const client = new FakeClient(new FakeClock());
    const object = client.seed(virtualMachines, { ...vm(), status: { phase: "Starting", hostName: "host-a" } });
    const steps: (string | undefined)[][] = [];
    const context = reconcileContext({
      wroteStatus: (before, after) => steps.push([before.metadata.resourceVersion, after.metadata.resourceVersion]),
    });
    const after = await patchStatus(client, virtualMachines, object, { phase: "Running", hostName: "host-a" }, context);
    expect(client.calls.at(-1)?.body).to.deep.equal({
      metadata: { resourceVersion: "1" },
      status: { phase: "Running" },
    });
    await patchStatus(client, virtualMachines, after, { phase: "Running", hostName: "host-a" }, context);
    expect(client.calls).to.have.length(1);
    expect(steps).to.deep.equal([["1", "2"]]);
    expect(isConflict(await rejection(patchStatus(client, virtualMachines, object, {}, context)))).to.equal(true);
  });

  it("should remove fields that are no longer wanted, however deep", () => {
    expect(difference({ a: 1, b: { c: 1, d: [1] }, e: 2 }, { a: 1, b: { d: [1, 2] } })).to.deep.equal({
      b: { c: null, d: [1, 2] },
      e: null,
    });
  });
});
