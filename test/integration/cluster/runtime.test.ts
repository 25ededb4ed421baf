import { expect } from "chai";
import { systemClock } from "../../../src/api/clock.ts";
import { events, namespaces, type VirtualMachine, virtualMachines } from "../../../src/api/resources.ts";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import {
  type Client,
  isAlreadyExists,
  isConflict,
  isNotFound,
  type MergePatch,
  type WatchEvent,
} from "../../../src/runtime/client.ts";
import { ensureFinalizer, removeFinalizer } from "../../../src/runtime/finalizer.ts";
import { HttpClient } from "../../../src/runtime/http-client.ts";
import { loadConnection } from "../../../src/runtime/kube-config.ts";
import { createLog } from "../../../src/runtime/log.ts";
import { Manager } from "../../../src/runtime/manager.ts";
import { patchStatus } from "../../../src/runtime/status-patch.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { rejection } from "../../support/rejection.ts";
import { type ServerUnderTest, startServerUnderTest } from "../../support/server-under-test.ts";
import { vm } from "../../unit/runtime/objects.ts";

const namespace = `runtime-${Date.now().toString(36)}`;
const key = { namespace, name: "guest-1" };
const finalizer = "vacate.dev/test";

describe("the controller runtime", function () {
  this.timeout(60_000);
  let server: ServerUnderTest;
  let client: HttpClient;

  before(async () => {
    server = await startServerUnderTest();
    const connection = await loadConnection({ path: server.kubeconfigPath });
    client = new HttpClient({ connection, clock: systemClock, metrics: createMetrics() });
    await client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  });

  after(async () => {
    await client?.delete(namespaces, { name: namespace }).catch(() => {});
    await client?.close();
    await server?.stop();
  });

  behavesLikeAClient("HTTP client", () => client);
  behavesLikeAClient("fake client", () => new FakeClient(new FakeClock()));

  describe("manager", () => {
    let manager: Manager;
    let reconciled: string[];
    let finished: PromiseWithResolvers<void>;

    /** Gives every VM a finalizer and a phase, and lets deleted ones go. */
    async function start(): Promise<void> {
      const log = createLog({ level: "silent" });
      manager = new Manager({ client, clock: systemClock, log, metrics: createMetrics() });
      const vms = manager.cache(virtualMachines);
      manager.addController({
        name: "test",
        resource: virtualMachines,
        reconcile: async (key, context) => {
          const object = vms.get(key);
          reconciled.push(object === undefined ? "gone" : (object.spec.hostName ?? "no home"));
          if (object === undefined) {
            finished.resolve();
            return {};
          }
          if (object.metadata.deletionTimestamp !== undefined) {
            manager.events.record(object, "Normal", "Released", "the guest is gone");
            await removeFinalizer(client, virtualMachines, object, finalizer);
            return {};
          }
          const owned = await ensureFinalizer(client, virtualMachines, object, finalizer);
          await patchStatus(client, virtualMachines, owned, { phase: `On ${owned.spec.hostName}` }, context);
          return {};
        },
      });
      await manager.start();
    }

    beforeEach(() => {
      reconciled = [];
      finished = Promise.withResolvers();
    });

    afterEach(async () => {
      await manager.stop();
      const object = await client.get(virtualMachines, key).catch(() => undefined);
      if (object === undefined) return;
      await removeFinalizer(client, virtualMachines, object, finalizer);
      await client.delete(virtualMachines, key).catch(() => {});
    });

    /** Reads the VM until it is as wanted; the test's own time limit ends it. */
    async function until(wanted: (object: VirtualMachine) => boolean): Promise<VirtualMachine> {
      const first = await client.get(virtualMachines, key);
      if (wanted(first)) return first;
      const resourceVersion = first.metadata.resourceVersion as string;
      for await (const event of client.watch(virtualMachines, { namespace, resourceVersion })) {
        if (event.type === "MODIFIED" && wanted(event.object)) return event.object;
      }
      throw new Error("the watch ended");
    }

    it("should follow an object from its creation to its end, and write events about it", async () => {
      await start();
      await client.create(virtualMachines, vm({ namespace }, { hostName: "host-a" }));
      const owned = await until((object) => object.status?.phase === "On host-a");
      expect(owned.metadata.finalizers).to.deep.equal([finalizer]);
      await client.patch(virtualMachines, key, { spec: { hostName: "host-b" } });
      await until((object) => object.status?.phase === "On host-b");
      await client.delete(virtualMachines, key);
      await finished.promise;
      await manager.stop();
      const written = await client.list(events, { namespace, fieldSelector: "involvedObject.name=guest-1" });
      expect(written.items.map((event) => event.reason)).to.deep.equal(["Released"]);
    });

    it("should not be woken by its own status writes", async () => {
      await start();
      await client.create(virtualMachines, vm({ namespace }, { hostName: "host-a" }));
      await until((object) => object.status?.phase === "On host-a");
      await client.patch(virtualMachines, key, { spec: { hostName: "host-b" } });
      await until((object) => object.status?.phase === "On host-b");
      await client.delete(virtualMachines, key);
      await finished.promise;
      // Once for the creation and once for its own finalizer; the deletion comes with the mark and then with the end.
      expect(reconciled).to.deep.equal(["host-a", "host-a", "host-b", "host-b", "gone"]);
    });
  });
});

/** The same for the real thing and for the fake that unit tests trust. */
function behavesLikeAClient(name: string, clientOf: () => Client): void {
  describe(name, () => {
    let client: Client;
    before(() => {
      client = clientOf();
    });

    afterEach(async () => {
      const object = await client.get(virtualMachines, key).catch(() => undefined);
      if (object === undefined) return;
      await client.patch(virtualMachines, key, { metadata: { finalizers: null } });
      await client.delete(virtualMachines, key).catch(() => {});
    });

    const create = () => client.create(virtualMachines, vm({ namespace }));
    const patch = (body: MergePatch) => client.patch(virtualMachines, key, body);
    const patchOfStatus = (body: MergePatch) => client.patch(virtualMachines, key, body, { subresource: "status" });

    it("should say AlreadyExists and NotFound", async () => {
      await create();
      expect(isAlreadyExists(await rejection(create()))).to.equal(true);
      const other = { namespace, name: "other" };
      expect(isNotFound(await rejection(client.get(virtualMachines, other)))).to.equal(true);
      expect(isNotFound(await rejection(client.patch(virtualMachines, other, {})))).to.equal(true);
      expect(isNotFound(await rejection(client.delete(virtualMachines, other)))).to.equal(true);
    });

    it("should raise the generation with the spec alone, and the version with every change", async () => {
      const created = await create();
      expect(created.metadata.generation).to.equal(1);
      const same = await patch({ spec: { cpus: 1 } });
      expect(same.metadata.resourceVersion).to.equal(created.metadata.resourceVersion);
      const labelled = await patch({ metadata: { labels: { app: "x" } } });
      expect(labelled.metadata.generation).to.equal(1);
      expect(labelled.metadata.resourceVersion).not.to.equal(created.metadata.resourceVersion);
      expect((await patch({ spec: { hostName: "host-a" } })).metadata.generation).to.equal(2);
    });

    it("should keep status out of the object's writes and everything else out of status' writes", async () => {
      await create();
      expect((await patch({ status: { phase: "Running" } })).status).to.equal(undefined);
      const after = await patchOfStatus({ spec: { hostName: "host-b" }, status: { phase: "Running" } });
      expect([after.spec.hostName, after.status?.phase, after.metadata.generation]).to.deep.equal([
        undefined,
        "Running",
        1,
      ]);
      expect((await patch({ spec: { hostName: "host-b" } })).status?.phase).to.equal("Running");
    });

    it("should refuse a write on an old version or another uid", async () => {
      const created = await create();
      const { resourceVersion } = created.metadata;
      await patch({ spec: { hostName: "host-b" } });
      const stale = { metadata: { resourceVersion }, status: { phase: "Running" } };
      expect(isConflict(await rejection(patchOfStatus(stale)))).to.equal(true);
      expect(isConflict(await rejection(client.replace(virtualMachines, created)))).to.equal(true);
      const uid = "00000000-0000-4000-8000-000000000000";
      expect(isConflict(await rejection(client.delete(virtualMachines, key, { uid })))).to.equal(true);
    });

    it("should keep a deleted object until its finalizers are gone, and take no new ones", async () => {
      const owned = await ensureFinalizer(client, virtualMachines, await create(), finalizer);
      await client.delete(virtualMachines, key);
      const deleting = await client.get(virtualMachines, key);
      expect(deleting.metadata.deletionTimestamp).to.be.a("string");
      expect(deleting.metadata.uid).to.equal(owned.metadata.uid);
      const another = patch({ metadata: { finalizers: [finalizer, "vacate.dev/other"] } });
      expect(await rejection(another)).to.have.property("code", 422);
      await removeFinalizer(client, virtualMachines, deleting, finalizer);
      expect(isNotFound(await rejection(client.get(virtualMachines, key)))).to.equal(true);
    });

    it("should list in pages at one version, and watch from there", async () => {
      for (const guest of ["b", "a", "c"]) await client.create(virtualMachines, vm({ namespace, name: guest }));
      try {
        const first = await client.list(virtualMachines, { namespace, limit: 2 });
        expect(first.items.map((item) => item.metadata.name)).to.deep.equal(["a", "b"]);
        const continueToken = first.continueToken as string;
        const second = await client.list(virtualMachines, { namespace, limit: 2, continueToken });
        expect(second.items.map((item) => item.metadata.name)).to.deep.equal(["c"]);
        expect(second.continueToken).to.equal(undefined);
        const seen = read(client.watch(virtualMachines, { namespace, resourceVersion: first.resourceVersion }), 3);
        await create();
        await patch({ spec: { hostName: "host-b" } });
        await client.delete(virtualMachines, key);
        expect(await seen).to.deep.equal(["ADDED guest-1", "MODIFIED guest-1", "DELETED guest-1"]);
      } finally {
        for (const guest of ["a", "b", "c"]) await client.delete(virtualMachines, { namespace, name: guest });
      }
    });
  });
}

/** The first events of a watch, bookmarks left out. */
async function read(watch: AsyncIterable<WatchEvent<VirtualMachine>>, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of watch) {
    if (event.type !== "BOOKMARK") seen.push(`${event.type} ${event.object.metadata.name}`);
    if (seen.length === count) break;
  }
  return seen;
}
