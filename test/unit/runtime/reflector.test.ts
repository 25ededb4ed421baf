import { expect } from "chai";
import { keyOf } from "../../../src/api/object.ts";
import { type VirtualMachine, virtualMachines } from "../../../src/api/resources.ts";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { ApiError } from "../../../src/runtime/client.ts";
import { createLog } from "../../../src/runtime/log.ts";
import { Reflector } from "../../../src/runtime/reflector.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { vm } from "./objects.ts";

describe("Reflector", () => {
  let clock: FakeClock;
  let client: FakeClient;
  let reflector: Reflector<VirtualMachine>;
  let changes: string[];
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    clock = new FakeClock();
    client = new FakeClient(clock);
    stop = new AbortController();
    changes = [];
    const log = createLog({ level: "silent" });
    reflector = new Reflector({
      client,
      resource: virtualMachines,
      clock,
      log,
      metrics: createMetrics(),
      random: () => 0,
    });
    reflector.onChange(({ type, object, oldObject }) => {
      changes.push(`${type} ${object.metadata.name} ${oldObject?.metadata.uid ?? "-"}>${object.metadata.uid}`);
    });
  });

  afterEach(async () => {
    stop.abort();
    await running;
    expect(clock.sleeping, "timers left").to.equal(0);
  });

  async function start(): Promise<void> {
    running = reflector.run(stop.signal);
    await settle();
  }

  const lists = () => client.calls.filter((call) => call.verb === "list").length;
  const watches = () => client.calls.filter((call) => call.verb === "watch").length;
  const uids = () => reflector.cache.list().map((object) => object.metadata.uid);

  it("should list in pages, then follow what happens", async () => {
    client.seed(virtualMachines, ...Array.from({ length: 1200 }, (_, index) => vm({ name: `guest-${index}` })));
    await start();
    expect([reflector.hasSynced, reflector.cache.list().length, lists()]).to.deep.equal([true, 1200, 3]);
    changes.length = 0;
    const key = { namespace: "lab", name: "guest-7" };
    await client.patch(virtualMachines, key, { spec: { hostName: "host-a" } });
    await client.delete(virtualMachines, key);
    await settle();
    expect(changes).to.deep.equal(["changed guest-7 uid-8>uid-8", "deleted guest-7 uid-8>uid-8"]);
  });

  it("should start over without pages when the snapshot expires between two", async () => {
    client.seed(virtualMachines, ...Array.from({ length: 600 }, (_, index) => vm({ name: `guest-${index}` })));
    client.beforeNext("list", virtualMachines, () => {
      client.failNext("list", virtualMachines, new ApiError(410, "Expired", "continue token too old"));
    });
    await start();
    expect([reflector.cache.list().length, lists()]).to.deep.equal([600, 3]);
  });

  it("should keep trying to list, with growing delays, and say why", async () => {
    client.seed(virtualMachines, vm());
    for (let time = 0; time < 3; time++) {
      client.failNext("list", virtualMachines, new ApiError(500, "InternalError", `broken ${time}`));
    }
    await start();
    expect([reflector.hasSynced, lists()]).to.deep.equal([false, 1]);
    expect(reflector.lastError).to.have.property("message", "broken 0");
    await clock.advance(500);
    expect(lists()).to.equal(2);
    await clock.advance(999);
    expect(lists()).to.equal(2);
    await clock.advance(1);
    expect(lists()).to.equal(3);
    await clock.advance(2000);
    expect([reflector.hasSynced, reflector.lastError]).to.deep.equal([true, undefined]);
  });

  it("should resume a broken watch from where it was, without a list", async () => {
    client.seed(virtualMachines, vm());
    await start();
    client.endWatches(new Error("connection reset"));
    await client.create(virtualMachines, vm({ name: "guest-2" }));
    await clock.advance(600);
    expect([lists(), uids()]).to.deep.equal([1, ["uid-1", "uid-2"]]);
  });

  it("should not hammer a server that ends every watch at once", async () => {
    await start();
    for (let second = 0; second < 120; second++) {
      client.endWatches();
      await clock.advance(1000);
    }
    expect(watches()).to.be.within(5, 12);
  });

  it("should watch again at once after the server ended a watch that had lasted", async () => {
    await start();
    await clock.advance(300_000);
    client.endWatches();
    await settle();
    expect([watches(), lists()]).to.deep.equal([2, 1]);
  });

  it("should list again at once when the watch has expired, and tell only what differs", async () => {
    client.seed(virtualMachines, vm(), vm({ name: "guest-2" }), vm({ name: "guest-3" }));
    await start();
    changes.length = 0;
    client.endWatches(new Error("connection reset"));
    await client.delete(virtualMachines, { namespace: "lab", name: "guest-2" });
    await client.patch(virtualMachines, { namespace: "lab", name: "guest-3" }, { spec: { hostName: "host-a" } });
    client.compact();
    await clock.advance(500);
    expect(lists()).to.equal(2);
    expect(changes).to.deep.equal(["deleted guest-2 uid-2>uid-2", "changed guest-3 uid-3>uid-3"]);
  });

  it("should tell deleted and added for an object that came again under its name in a gap", async () => {
    const object = client.seed(virtualMachines, vm());
    await start();
    changes.length = 0;
    client.endWatches(new Error("connection reset"));
    await client.delete(virtualMachines, keyOf(object));
    await client.create(virtualMachines, vm());
    client.compact();
    await clock.advance(500);
    expect(changes).to.deep.equal(["deleted guest-1 uid-1>uid-1", "added guest-1 ->uid-2"]);
    expect(uids()).to.deep.equal(["uid-2"]);
  });

  it("should give up a watch that outlives its time without a word", async () => {
    await start();
    await clock.advance(329_000);
    expect(watches()).to.equal(1);
    await clock.advance(2_000);
    expect([watches(), lists()]).to.deep.equal([2, 1]);
  });

  it("should survive a handler that throws", async () => {
    reflector.onChange(() => {
      throw new Error("broken handler");
    });
    const after: string[] = [];
    reflector.onChange(({ object }) => after.push(object.metadata.name));
    client.seed(virtualMachines, vm());
    await start();
    await client.create(virtualMachines, vm({ name: "guest-2" }));
    await settle();
    expect(after).to.deep.equal(["guest-1", "guest-2"]);
  });
});

describe("ObjectCache", () => {
  it("should keep its indexes with every change, and its objects unchanged", async () => {
    const client = new FakeClient(new FakeClock());
    const cache = client.cache(virtualMachines);
    client.seed(virtualMachines, vm({ name: "b" }, { hostName: "host-a" }), vm({ name: "a" }, { hostName: "host-a" }));
    const byHome = (object: VirtualMachine) => object.spec.hostName;
    cache.addIndex("home", byHome);
    cache.addIndex("home", byHome);
    expect(() => cache.addIndex("home", () => undefined)).to.throw("index home exists");
    expect(() => cache.byIndex("other", "x")).to.throw("no index other");
    await client.patch(virtualMachines, { namespace: "lab", name: "b" }, { spec: { hostName: "host-b" } });
    expect(cache.byIndex("home", "host-a").map((object) => object.metadata.name)).to.deep.equal(["a"]);
    expect(cache.byIndex("home", "host-b").map((object) => object.metadata.name)).to.deep.equal(["b"]);
    expect(cache.list("lab").map((object) => object.metadata.name)).to.deep.equal(["a", "b"]);
    expect(cache.list("other")).to.deep.equal([]);
    expect(() => {
      (cache.list()[0] as VirtualMachine).spec.disk.image = "other";
    }).to.throw(TypeError);
  });
});
