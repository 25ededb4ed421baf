import { expect } from "chai";
import {
  namespaces,
  type Reservation,
  reservations,
  secrets,
  type VirtualMachine,
  virtualMachines,
  vmHosts,
} from "../../../src/api/resources.ts";
import { buildControllers } from "../../../src/controllers/build-controllers.ts";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { createLog } from "../../../src/runtime/log.ts";
import { Manager } from "../../../src/runtime/manager.ts";
import { operatorNamespace, virtualMachine, vmHost } from "../../support/controller-bench.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeHosts } from "../../support/fake-hosts.ts";

describe("buildControllers", () => {
  let clock: FakeClock;
  let client: FakeClient;
  let hosts: FakeHosts;
  let manager: Manager;
  const key = { namespace: "default", name: "web" };
  const vm = (): VirtualMachine["status"] => client.peek(virtualMachines, key)?.status;

  beforeEach(async () => {
    clock = new FakeClock();
    client = new FakeClient(clock);
    hosts = new FakeHosts(clock);
    for (const name of [operatorNamespace, "default"]) {
      client.seed(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    const metadata = { name: "identity", namespace: operatorNamespace };
    client.seed(secrets, { apiVersion: "v1", kind: "Secret", metadata, data: { "ssh-privatekey": "a2V5" } });
    for (const name of ["host-a", "host-b", "host-c"]) {
      hosts.add(name);
      client.seed(vmHosts, vmHost(name));
    }
    const metrics = createMetrics();
    manager = new Manager({ client, clock, metrics, log: createLog({ level: "silent" }), random: () => 0.5 });
    buildControllers({ manager, client, hosts, clock, metrics, namespace: operatorNamespace, term: 1 });
    await manager.start();
    await clock.advance(2000);
  });

  afterEach(async () => {
    const stopped = manager.stop();
    await clock.advance(60_000);
    await stopped;
  });

  it("should start a VM, move it as soon as its home changes, and follow the agents' events", async () => {
    await client.create(virtualMachines, virtualMachine("web", { hostName: "host-a" }));
    await clock.advance(2000);
    expect(vm()?.hostName).to.equal("host-a");
    expect(vm()?.phase).to.equal("Running");

    await client.patch(virtualMachines, key, { spec: { hostName: "host-b" } });
    await clock.advance(4000);
    expect(vm()?.hostName).to.equal("host-b");
    expect(vm()?.migrations?.[0]?.measuredMilliseconds?.total).to.be.lessThan(3000);
    expect(hosts.running()).to.deep.equal(["host-b/default/web/2"]);
  });

  it("should notice a crash by the agent's event", async () => {
    await client.create(virtualMachines, virtualMachine("web", { hostName: "host-a", onCrash: "Stop" }));
    await clock.advance(2000);
    hosts.fake("host-a").crashGuest(client.peek(virtualMachines, key)?.metadata.uid ?? "");
    await clock.advance(1000);

    expect(vm()?.phase).to.equal("Crashed");
  });

  it("should go on by itself once a silent host answers again", async () => {
    hosts.fake("host-c").disconnect();
    await clock.advance(1000);
    await client.create(virtualMachines, virtualMachine("web"));
    await clock.advance(3000);
    expect(hosts.running()).to.deep.equal([]);

    hosts.fake("host-c").reconnect();
    await clock.advance(3000);
    expect(hosts.running()).to.have.length(1);
  });

  it("should do nothing more once everything is as wanted", async () => {
    await client.create(virtualMachines, virtualMachine("web"));
    await clock.advance(10_000);
    const writes = () => client.calls.filter(({ verb }) => verb === "patch" || verb === "replace").length;
    const before = writes();
    await clock.advance(300_000);

    expect(writes()).to.equal(before);
  });

  it("should vacate a host before the window, keep it free, and bring the VM back", async () => {
    await client.create(virtualMachines, virtualMachine("web", { hostName: "host-a" }));
    await clock.advance(2000);
    const reservation: Reservation = {
      apiVersion: "vacate.dev/v1alpha1",
      kind: "Reservation",
      metadata: { name: "lab", namespace: "default" },
      spec: {
        hosts: { count: 1, selector: { matchLabels: { rack: "rack-of-host-a" } } },
        window: { start: new Date(clock.now().getTime() + 300_000).toISOString(), duration: "5m" },
      },
    };
    await client.create(reservations, reservation);
    for (let seconds = 0; seconds < 301; seconds++) await clock.advance(1000);
    const held = client.peek(reservations, { namespace: "default", name: "lab" });
    expect(held?.status?.phase, JSON.stringify(held?.status?.conditions)).to.equal("Active");
    expect(held?.status?.outcome?.result).to.equal("OnTime");
    expect(vm()?.hostName).not.to.equal("host-a");
    expect(hosts.fake("host-a").holds).to.have.length(1);

    for (let seconds = 0; seconds < 330; seconds++) await clock.advance(1000);
    expect(vm()?.hostName).to.equal("host-a");
    expect(client.peek(reservations, { namespace: "default", name: "lab" })?.status?.phase).to.equal("Completed");
    expect(hosts.fake("host-a").holds).to.deep.equal([]);
    expect(hosts.running()).to.have.length(1);
  });
});
