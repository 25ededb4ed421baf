import { expect } from "chai";
import { virtualMachines, vmHosts } from "../../../src/api/resources.ts";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { ApiError } from "../../../src/runtime/client.ts";
import { watches } from "../../../src/runtime/controller.ts";
import { HealthServer } from "../../../src/runtime/health-server.ts";
import { createLog } from "../../../src/runtime/log.ts";
import { Manager, type ManagerOptions, type Runnable } from "../../../src/runtime/manager.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { rejection } from "../../support/rejection.ts";
import { vm } from "./objects.ts";

describe("Manager", () => {
  let clock: FakeClock;
  let client: FakeClient;
  let order: string[];
  let manager: Manager;

  function create(options: Partial<ManagerOptions> = {}): void {
    const log = createLog({ level: "silent" });
    manager = new Manager({ client, clock, log, metrics: createMetrics(), random: () => 0, ...options });
    manager.addController({
      name: "virtualmachine",
      resource: virtualMachines,
      watches: [watches(vmHosts, () => [])],
      reconcile: async (key) => {
        order.push(`reconcile ${key.name}`);
        return {};
      },
    });
  }

  const runnable = (name: string, failure?: Error): Runnable => ({
    name,
    start: async () => {
      order.push(`start ${name}`);
      if (failure !== undefined) throw failure;
    },
    stop: async () => {
      order.push(`stop ${name}`);
    },
  });

  beforeEach(() => {
    clock = new FakeClock();
    client = new FakeClient(clock);
    order = [];
    create();
  });

  afterEach(async () => {
    await manager.stop();
    await settle();
    expect(clock.sleeping, "timers left").to.equal(0);
  });

  it("should start runnables after the caches and controllers after them, and stop the other way round", async () => {
    client.seed(virtualMachines, vm());
    client.beforeNext("list", virtualMachines, () => {
      order.push("list");
    });
    manager.addRunnable(runnable("first"));
    manager.addRunnable(runnable("second"));
    await manager.start();
    await settle();
    await manager.stop();
    expect(order).to.deep.equal([
      "list",
      "start first",
      "start second",
      "reconcile guest-1",
      "stop second",
      "stop first",
    ]);
  });

  it("should share one mirror of a resource among all who ask", async () => {
    const cache = manager.cache(virtualMachines);
    expect(manager.cache(virtualMachines)).to.equal(cache);
    await manager.start();
    expect(client.calls.filter((call) => call.verb === "list")).to.have.length(2);
    expect(() => manager.addRunnable(runnable("late"))).to.throw("manager is running");
  });

  it("should name the resource whose cache does not sync, and why, and stop what it had started", async () => {
    create({ syncTimeoutSeconds: 20 });
    manager.addRunnable(runnable("first"));
    const forbidden = new ApiError(403, "Forbidden", "virtualmachines is forbidden");
    for (let time = 0; time < 20; time++) client.failNext("list", virtualMachines, forbidden);
    const failure = rejection(manager.start());
    await clock.advance(20_000);
    expect((await failure).message).to.equal(
      "caches did not sync within 20 s: virtualmachines (virtualmachines is forbidden)",
    );
    expect(order).to.deep.equal([]);
  });

  it("should stop what has started when a runnable cannot, that one included", async () => {
    manager.addRunnable(runnable("first"));
    manager.addRunnable(runnable("second", new Error("port taken")));
    manager.addRunnable(runnable("third"));
    expect((await rejection(manager.start())).message).to.equal("port taken");
    expect(order).to.deep.equal(["start first", "start second", "stop second", "stop first"]);
  });

  it("should give up the start when aborted", async () => {
    const abort = new AbortController();
    client.beforeNext("list", virtualMachines, () => {
      abort.abort(new Error("interrupted"));
      throw new Error("no answer");
    });
    expect((await rejection(manager.start(abort.signal))).message).to.equal("interrupted");
  });

  it("should give up the start when it is stopped meanwhile", async () => {
    client.failNext("list", virtualMachines, new Error("no answer"));
    const failure = rejection(manager.start());
    await settle();
    await manager.stop();
    expect((await failure).message).to.equal("manager stops");
    await clock.advance(60_000);
    expect(order).to.deep.equal([]);
  });

  it("should stop in time although a runnable hangs", async () => {
    manager.addRunnable({ ...runnable("stuck"), stop: () => new Promise(() => {}) });
    await manager.start();
    const stopped = manager.stop();
    await clock.advance(30_000);
    await stopped;
  });

  it("should write the last events before it has stopped", async () => {
    await manager.start();
    manager.events.record(vm(), "Normal", "Stopping", "the operator stops");
    await manager.stop();
    expect(client.calls.at(-1)).to.deep.include({ verb: "create", plural: "events" });
  });

  it("should mirror only the namespace it was given", async () => {
    create({ namespaces: { virtualmachines: "lab" } });
    client.seed(virtualMachines, vm(), vm({ namespace: "other" }));
    await manager.start();
    expect(manager.cache(virtualMachines).list()).to.have.length(1);
  });

  it("should serve health, readiness with what is missing, and metrics", async () => {
    create({ health: { port: 0 } });
    let during: string[] = [];
    client.beforeNext("list", virtualMachines, async () => {
      const answer = await fetch(`${manager.healthUrl}/readyz`);
      during = [String(answer.status), await answer.text(), (await fetch(`${manager.healthUrl}/healthz`)).statusText];
    });
    await manager.start();
    expect(during[0]).to.equal("503");
    expect(during[1]).to.include("manager is starting").and.to.include("cache virtualmachines");
    expect(during[2]).to.equal("OK");
    expect((await fetch(`${manager.healthUrl}/readyz`)).status).to.equal(200);
    const metrics = await (await fetch(`${manager.healthUrl}/metrics`)).text();
    expect(metrics).to.include('vacate_workqueue_depth{controller="virtualmachine"} 0');
    expect((await fetch(`${manager.healthUrl}/other`)).status).to.equal(404);
    expect((await fetch(`${manager.healthUrl}/metrics`, { method: "POST" })).status).to.equal(405);
  });

  it("should name the port that is taken", async () => {
    const other = new HealthServer({
      port: 0,
      notReady: () => [],
      metrics: async () => ({ contentType: "", text: "" }),
    });
    await other.start();
    try {
      const port = Number(new URL(other.url).port);
      create({ health: { port } });
      expect((await rejection(manager.start())).message).to.equal(
        `cannot listen on 127.0.0.1:${port} for metrics and health: the port is already taken`,
      );
    } finally {
      await other.stop();
    }
  });
});

describe("createLog", () => {
  it("should write constant messages with fields, and no secrets", () => {
    const lines: string[] = [];
    const log = createLog({ destination: { write: (line) => lines.push(line) } });
    log
      .child({ controller: "vmhost" })
      .info({ host: "host-a", secret: { a: 1 }, request: { token: "t0k3n" } }, "asked");
    log.debug({}, "not at this level");
    expect(lines).to.have.length(1);
    const line = JSON.parse(lines[0] ?? "");
    expect(line).to.deep.include({ level: "info", controller: "vmhost", host: "host-a", msg: "asked" });
    expect(line.secret).to.equal("[redacted]");
    expect(lines[0]).not.to.include("t0k3n");
  });
});
