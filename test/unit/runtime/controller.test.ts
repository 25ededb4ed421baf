import { expect } from "chai";
import { formatKey, type KubernetesObject, type ObjectKey } from "../../../src/api/object.ts";
import { type VirtualMachine, type VMHost, virtualMachines, vmHosts } from "../../../src/api/resources.ts";
import { createMetrics, type Metrics } from "../../../src/metrics/metrics.ts";
import { StoppedError } from "../../../src/runtime/abort.ts";
import { ApiError } from "../../../src/runtime/client.ts";
import { Controller, type ControllerOptions, watches } from "../../../src/runtime/controller.ts";
import { createLog } from "../../../src/runtime/log.ts";
import {
  type ReconcileContext,
  type Reconciler,
  ReconcileTimeoutError,
  TerminalError,
} from "../../../src/runtime/reconciler.ts";
import { Reflector } from "../../../src/runtime/reflector.ts";
import { patchStatus } from "../../../src/runtime/status-patch.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { vm } from "./objects.ts";

const guest1 = { namespace: "lab", name: "guest-1" };

describe("Controller", () => {
  let clock: FakeClock;
  let client: FakeClient;
  let metrics: Metrics;
  let lines: Record<string, unknown>[];
  let reconciled: string[];
  let reconcile: Reconciler;
  let controller: Controller;
  let vms: Reflector<VirtualMachine>;
  let stop: AbortController;

  beforeEach(() => {
    clock = new FakeClock();
    client = new FakeClient(clock);
    metrics = createMetrics();
    lines = [];
    reconciled = [];
    reconcile = async () => ({});
    stop = new AbortController();
  });

  afterEach(async () => {
    const stopping = controller.stop(10);
    await clock.advance(10_000);
    await stopping;
    stop.abort();
    await settle();
    expect(clock.sleeping, "timers left").to.equal(0);
  });

  /** Starts reflectors of VMs and hosts, and the controller once they are synced. */
  async function start(options: Partial<ControllerOptions> = {}): Promise<void> {
    const log = createLog({ level: "debug", destination: { write: (line) => lines.push(JSON.parse(line)) } });
    const base = { client, clock, log, metrics, random: () => 0 };
    vms = new Reflector({ ...base, resource: virtualMachines });
    const hosts = new Reflector({ ...base, resource: vmHosts });
    controller = new Controller(
      {
        name: "test",
        resource: virtualMachines,
        reconcile: (key, context) => {
          reconciled.push(key.name);
          return reconcile(key, context);
        },
        ...options,
      },
      {
        ...base,
        reflector: (resource) =>
          (resource.plural === "vmhosts" ? hosts : vms) as unknown as Reflector<KubernetesObject>,
      },
    );
    void vms.run(stop.signal);
    void hosts.run(stop.signal);
    await settle();
    controller.start();
    await settle();
  }

  async function results(): Promise<Record<string, number>> {
    const { values } = await metrics.reconciles.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]));
  }

  /** Waits, without looking at anything else, until it is let go or aborted. */
  function gate(): { pass(): void; wait(context: ReconcileContext): Promise<object> } {
    const { promise, resolve } = Promise.withResolvers<object>();
    return {
      pass: () => resolve({}),
      wait: ({ signal }) =>
        Promise.race([
          promise,
          new Promise<object>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
        ]),
    };
  }

  const patchSpec = (hostName: string) => client.patch(virtualMachines, guest1, { spec: { hostName } });

  it("should reconcile every object once at the start, and again when it changes or goes", async () => {
    client.seed(virtualMachines, vm(), vm({ name: "guest-2" }));
    await start();
    expect(reconciled).to.deep.equal(["guest-1", "guest-2"]);
    await patchSpec("host-a");
    await settle();
    await client.delete(virtualMachines, guest1);
    await settle();
    expect(reconciled.slice(2)).to.deep.equal(["guest-1", "guest-1"]);
  });

  it("should run as many keys at once as it has workers, and no key twice", async () => {
    const gates = gate();
    reconcile = async (_key, context) => gates.wait(context);
    client.seed(virtualMachines, vm(), vm({ name: "guest-2" }), vm({ name: "guest-3" }));
    await start({ workers: 2 });
    controller.enqueue(guest1);
    controller.enqueue(guest1);
    await settle();
    expect(reconciled).to.deep.equal(["guest-1", "guest-2"]);
    gates.pass();
    await settle();
    expect(reconciled).to.deep.equal(["guest-1", "guest-2", "guest-3", "guest-1"]);
  });

  it("should reconcile the keys a secondary object maps to", async () => {
    client.seed(virtualMachines, vm({}, { hostName: "host-a" }), vm({ name: "guest-2" }, { hostName: "host-b" }));
    const home = (object: VirtualMachine) => object.spec.hostName;
    const toVms = watches(vmHosts, (host) =>
      vms.cache.byIndex("home", host.metadata.name).map(({ metadata }) => metadata as ObjectKey),
    );
    await start({ watches: [toVms] });
    vms.cache.addIndex("home", home);
    reconciled.length = 0;
    const host = { apiVersion: "vacate.dev/v1alpha1", kind: "VMHost", metadata: { name: "host-b" }, spec: {} };
    await client.create(vmHosts, host as unknown as VMHost);
    await settle();
    expect(reconciled).to.deep.equal(["guest-2"]);
  });

  it("should retry an error with growing delays until it goes well", async () => {
    let failures = 3;
    reconcile = async () => {
      if (failures-- > 0) throw new Error("no luck");
      return {};
    };
    client.seed(virtualMachines, vm());
    await start();
    await clock.advance(100 + 200 + 400);
    expect(reconciled).to.have.length(4);
    await clock.advance(3_600_000);
    expect(reconciled).to.have.length(4);
    expect(await results()).to.deep.equal({ error: 3, success: 1 });
    const errors = lines.filter((line) => line.level === "error");
    expect(errors.map((line) => [line.msg, line.key, line.retrySeconds])).to.deep.equal([
      ["reconcile failed", "lab/guest-1", 0.1],
      ["reconcile failed", "lab/guest-1", 0.2],
      ["reconcile failed", "lab/guest-1", 0.4],
    ]);
  });

  it("should retry a conflict soon and without noise", async () => {
    let conflicts = 1;
    reconcile = async () => {
      if (conflicts-- > 0) throw new ApiError(409, "Conflict", "modified");
      return {};
    };
    client.seed(virtualMachines, vm());
    await start();
    await clock.advance(100);
    expect(reconciled).to.have.length(2);
    expect(await results()).to.deep.equal({ conflict: 1, success: 1 });
    expect(lines.filter((line) => line.level === "error" || line.level === "warn")).to.deep.equal([]);
  });

  it("should not retry a terminal error until the object changes", async () => {
    reconcile = async () => {
      throw new TerminalError("spec.memory is larger than every host");
    };
    client.seed(virtualMachines, vm());
    await start();
    await clock.advance(86_400_000);
    expect(reconciled).to.have.length(1);
    await patchSpec("host-a");
    await settle();
    expect(reconciled).to.have.length(2);
    expect(await results()).to.deep.equal({ terminal: 2 });
  });

  it("should reconcile again after the time it was asked for, also beyond what a timer can hold", async () => {
    reconcile = async () => ({ requeueAfterSeconds: 30 * 86_400 });
    client.seed(virtualMachines, vm());
    await start();
    await clock.advance(29 * 86_400_000);
    expect(reconciled).to.have.length(1);
    await clock.advance(86_400_000);
    expect(reconciled).to.have.length(2);
  });

  it("should abort a reconcile that takes too long, with the cause, and retry it", async () => {
    const reasons: unknown[] = [];
    reconcile = async (_key, { signal }) => {
      await clock.sleep(3_600_000, signal).catch((error) => {
        reasons.push(error);
        throw error;
      });
      return {};
    };
    client.seed(virtualMachines, vm());
    await start({ reconcileTimeoutSeconds: 5 });
    await clock.advance(5_000);
    expect(reasons[0]).to.be.instanceOf(ReconcileTimeoutError);
    await clock.advance(100);
    expect(reconciled).to.have.length(2);
    expect(await results()).to.deep.equal({ timeout: 1 });
  });

  const writePhase: Reconciler = async (key, context) => {
    const object = vms.cache.get(key);
    if (object !== undefined) await patchStatus(client, virtualMachines, object, { phase: "Running" }, context);
    return {};
  };

  it("should not be woken by its own status write, but by anyone else's", async () => {
    reconcile = writePhase;
    client.seed(virtualMachines, vm());
    await start();
    expect([client.peek(virtualMachines, guest1)?.status?.phase, reconciled.length]).to.deep.equal(["Running", 1]);
    await client.patch(virtualMachines, guest1, { status: { phase: "Lost" } }, { subresource: "status" });
    await settle();
    expect([client.peek(virtualMachines, guest1)?.status?.phase, reconciled.length]).to.deep.equal(["Running", 2]);
  });

  it("should not take another's change for its own when a gap in the watch made one of both", async () => {
    reconcile = async (key, context) => {
      client.endWatches(new Error("connection reset"));
      await writePhase(key, context);
      await patchSpec("host-a");
      client.compact();
      reconcile = async () => ({});
      return {};
    };
    client.seed(virtualMachines, vm());
    await start();
    await clock.advance(500);
    expect(reconciled).to.have.length(2);
  });

  it("should see a change made between its status write and the end of the reconcile", async () => {
    reconcile = async (key, context) => {
      await writePhase(key, context);
      await patchSpec("host-a");
      await settle();
      reconcile = async () => ({});
      return {};
    };
    client.seed(virtualMachines, vm());
    await start();
    await settle();
    expect(reconciled).to.have.length(2);
  });

  it("should let reconciles end when it stops, then abort them, and take no more", async () => {
    const gates = gate();
    let reason: unknown;
    reconcile = async (_key, context) => {
      const result = gates.wait(context);
      context.signal.addEventListener("abort", () => {
        reason = context.signal.reason;
      });
      return result;
    };
    client.seed(virtualMachines, vm(), vm({ name: "guest-2" }));
    await start();
    const stopped = controller.stop(10);
    await clock.advance(4_999);
    expect(reason).to.equal(undefined);
    await clock.advance(1);
    expect(await stopped).to.equal(true);
    expect(reason).to.be.instanceOf(StoppedError);
    expect(reconciled).to.deep.equal(["guest-1"]);
  });

  it("should give up at its deadline on a reconcile that does not listen", async () => {
    const stuck = Promise.withResolvers<object>();
    reconcile = () => stuck.promise;
    client.seed(virtualMachines, vm());
    await start();
    const stopped = controller.stop(10);
    await clock.advance(10_000);
    expect(await stopped).to.equal(false);
    stuck.resolve({});
  });

  it("should put the controller, the key and a reconcile id on every line", async () => {
    reconcile = async (key, { log, reconcileId }) => {
      log.info({ mine: reconcileId, formatted: formatKey(key) }, "looked");
      return {};
    };
    client.seed(virtualMachines, vm());
    await start();
    const line = lines.find((each) => each.msg === "looked");
    expect(line).to.include({ controller: "test", key: "lab/guest-1", formatted: "lab/guest-1" });
    expect(line?.reconcileId)
      .to.match(/^[0-9a-f]{16}$/)
      .and.to.equal(line?.mine);
  });
});
