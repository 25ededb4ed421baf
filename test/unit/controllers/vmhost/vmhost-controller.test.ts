import { expect } from "chai";
import { keyOf } from "../../../../src/api/object.ts";
import { type Reservation, reservations, secrets, virtualMachines, vmHosts } from "../../../../src/api/resources.ts";
import { ControllerBench, operatorNamespace, vmHost } from "../../../support/controller-bench.ts";
import { reconcileContext } from "../../../support/recording-events.ts";

describe("vmhost controller", () => {
  let bench: ControllerBench;

  beforeEach(() => {
    bench = new ControllerBench();
  });

  const ready = (name: string) => bench.condition(bench.vmHost(name), "Ready");

  it("should connect with what the spec says and report what the agent says", async () => {
    bench.addHost("host-a", { cpus: 16, images: ["tiny", "big"] }, { sshPort: 2222, user: "vacate" });
    await bench.settle();

    expect(bench.hosts.settings.get("host-a")).to.deep.equal({
      address: "host-a.example",
      port: 2222,
      user: "vacate",
      hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample",
      privateKey: "the private key",
      agentSocket: "/run/vacate/agent.sock",
    });
    expect(ready("host-a")).to.equal("True AgentAnswers: the agent on host-a answers");
    const { status } = bench.vmHost("host-a");
    expect(status?.agent).to.include({ uuid: "agent-of-host-a", bootID: "boot-1-of-host-a", driver: "Simulated" });
    expect(status?.agent?.images?.map(({ name }) => name)).to.deep.equal(["big", "tiny"]);
    expect(status?.capacity).to.deep.equal({ cpus: 16, memory: "8Gi", stateBytes: 2 ** 34 });
    expect(status?.allocated).to.deep.equal({ cpus: 0, memory: "0Mi", virtualMachines: 0 });
  });

  it("should list guests, and mark those that no object stands for", async () => {
    const agent = bench.addHost("host-a");
    await bench.addVirtualMachine("web", { hostName: "host-a" });
    await bench.settle();
    agent.addGuest({ uid: "stranger", name: "other" });
    await bench.settle();

    const guests = bench.vmHost("host-a").status?.virtualMachines ?? [];
    expect(guests.map(({ name, known, state }) => ({ name, known, state }))).to.have.deep.members([
      { name: "web", known: true, state: "Running" },
      { name: "other", known: false, state: "Running" },
    ]);
    expect(agent.held.has("stranger")).to.equal(true);
    expect(bench.vmHost("host-a").status?.allocated).to.deep.equal({ cpus: 2, memory: "1Gi", virtualMachines: 2 });
  });

  it("should write nothing when nothing has changed", async () => {
    bench.addHost("host-a");
    await bench.settle();
    const before = bench.client.calls.filter(({ verb }) => verb === "patch").length;
    await bench.clock.advance(60_000);
    await bench.round();

    expect(bench.client.calls.filter(({ verb }) => verb === "patch")).to.have.length(before);
  });

  for (const [reason, wanted] of [
    ["HostKeyMismatch", "HostKeyMismatch"],
    ["ConnectionRefused", "ConnectionRefused"],
    ["IdentityRejected", "IdentityRejected"],
    ["AgentNotListening", "AgentNotListening"],
    ["Timeout", "Timeout"],
    ["AddressUnreachable", "AddressUnreachable"],
    ["ConnectionLost", "ConnectionLost"],
    ["InvalidHostKey", "InvalidSpec"],
    ["InvalidIdentity", "IdentityRejected"],
    ["AgentRefused", "AgentError"],
  ] as const) {
    it(`should say ${wanted} when the connection fails with ${reason}, with host and address`, async () => {
      bench.addHost("host-a");
      bench.hosts.failures.set("host-a", { state: "Failed", reason, message: "what would be right" });
      await bench.settle();

      expect(ready("host-a")).to.equal(`False ${wanted}: host-a (host-a.example port 22): what would be right`);
      expect(bench.events.recorded).to.deep.equal([
        `Warning ${wanted} host-a: host-a (host-a.example port 22): what would be right`,
      ]);
    });
  }

  it("should say that it is connecting", async () => {
    bench.client.seed(vmHosts, vmHost("host-a"));
    await bench.settle();

    expect(ready("host-a")).to.equal("False Connecting: connecting to host-a (host-a.example port 22)");
  });

  it("should let stand what an operator before found out, until it is connected itself", async () => {
    bench.addHost("host-a");
    await bench.addVirtualMachine("web", { hostName: "host-a" });
    await bench.settle();
    bench.startOperator();
    bench.hosts.failures.set("host-a", { state: "Connecting" });
    await bench.settle();
    expect(ready("host-a")).to.match(/^True AgentAnswers/);
    expect(bench.vm("web").status?.phase).to.equal("Running");

    bench.hosts.failures.set("host-a", { state: "Failed", reason: "Timeout", message: "no answer" });
    await bench.settle();
    expect(ready("host-a")).to.match(/^False Timeout/);
    expect(bench.condition(bench.vm("web"), "Running")).to.match(/^Unknown HostSilent/);
  });

  it("should keep what it knew of a host that went silent, but not call it ready", async () => {
    const agent = bench.addHost("host-a");
    await bench.settle();
    agent.disconnect();
    await bench.settle();

    expect(ready("host-a")).to.match(/^False ConnectionLost/);
    expect(bench.vmHost("host-a").status?.agent?.uuid).to.equal("agent-of-host-a");
  });

  it("should wait for a missing identity, and connect once it is there", async () => {
    bench.addHost("host-a", {}, { identitySecretName: "missing" });
    await bench.settle();
    expect(ready("host-a")).to.equal(
      "False IdentitySecretMissing: there is no Secret vacate-system/missing; create it with the private key under ssh-privatekey",
    );
    expect(bench.hosts.settings.has("host-a")).to.equal(false);

    const secret = { apiVersion: "v1", kind: "Secret" as const, data: { "ssh-privatekey": "a2V5" } };
    await bench.client.create(secrets, { ...secret, metadata: { name: "missing", namespace: operatorNamespace } });
    await bench.settle();
    expect(ready("host-a")).to.match(/^True AgentAnswers/);
    expect(bench.hosts.settings.get("host-a")?.privateKey).to.equal("key");
  });

  it("should never read an identity from another namespace", async () => {
    const secret = { apiVersion: "v1", kind: "Secret" as const, data: { "ssh-privatekey": "a2V5" } };
    await bench.client.create(secrets, { ...secret, metadata: { name: "foreign", namespace: "default" } });
    bench.addHost("host-a", {}, { identitySecretName: "foreign" });
    await bench.settle();

    expect(ready("host-a")).to.match(/^False IdentitySecretMissing/);
  });

  it("should say which key a Secret lacks, and show nothing of it", async () => {
    const secret = { apiVersion: "v1", kind: "Secret" as const, data: { wrong: "c2VjcmV0" } };
    await bench.client.create(secrets, { ...secret, metadata: { name: "odd", namespace: operatorNamespace } });
    bench.addHost("host-a", {}, { identitySecretName: "odd" });
    await bench.settle();

    expect(ready("host-a")).to.match(
      /^False IdentitySecretMissing: the Secret vacate-system\/odd has no key ssh-privatekey/,
    );
    expect(JSON.stringify(bench.vmHost("host-a"))).not.to.contain("c2VjcmV0");
  });

  for (const [field, value, message] of [
    ["sshPort", 70_000, "spec.sshPort is 70000; allowed are 1 to 65535"],
    ["address", "", 'spec.address is ""; allowed is an IP address or DNS name'],
    ["hostKey", "nonsense", "spec.hostKey is no public SSH key"],
    ["user", "Root User", 'spec.user is "Root User"'],
    ["agentSocket", "relative", 'spec.agentSocket is "relative"'],
    ["linkMegabitsPerSecond", -1, "spec.linkMegabitsPerSecond is -1"],
  ] as const) {
    it(`should refuse a wrong ${field} and close the connection`, async () => {
      bench.addHost("host-a");
      await bench.settle();
      await bench.client.patch(vmHosts, { name: "host-a" }, { spec: { [field]: value } });
      await bench.settle();

      expect(ready("host-a")).to.contain(`False InvalidSpec: ${message}`);
      expect(bench.hosts.settings.has("host-a")).to.equal(false);
    });
  }

  it("should close the connection of a deleted host", async () => {
    bench.addHost("host-a");
    await bench.settle();
    await bench.client.delete(vmHosts, { name: "host-a" });
    await bench.vmHostController.reconcile({ name: "host-a" }, reconcileContext());

    expect(bench.hosts.settings.has("host-a")).to.equal(false);
  });

  it("should not believe an agent whose identity has changed, and keep the recorded one", async () => {
    const agent = bench.addHost("host-a");
    await bench.addVirtualMachine("web", { hostName: "host-a" });
    await bench.settle();
    agent.agentUuid = "another";
    agent.held.clear();
    await bench.settle();

    expect(ready("host-a")).to.match(
      /^False IdentityChanged: the agent on host-a has identity another, recorded is agent-of-host-a/,
    );
    expect(bench.vmHost("host-a").status?.agent?.uuid).to.equal("agent-of-host-a");
    expect(bench.condition(bench.vm("web"), "Running")).to.match(/^Unknown HostSilent/);
    expect(bench.hosts.running()).to.deep.equal([]);
  });

  it("should refuse two hosts with one agent, name both, and recover when one goes", async () => {
    bench.addHost("host-a");
    bench.addHost("host-b").agentUuid = "agent-of-host-a";
    await bench.settle();
    expect(ready("host-a")).to.match(/^False DuplicateAgent: the agents of host-a and host-b have the same identity/);
    expect(ready("host-b")).to.match(/^False DuplicateAgent: the agents of host-b and host-a have the same identity/);

    await bench.client.delete(vmHosts, { name: "host-b" });
    await bench.settle();
    expect(ready("host-a")).to.match(/^True AgentAnswers/);
  });

  it("should refuse another driver and another place where state lands", async () => {
    bench.addHost("host-a", { driver: "QEMU" });
    bench.addHost("host-b", { stateLanding: "RAM" }, { stateLanding: "Disk" });
    await bench.settle();

    expect(ready("host-a")).to.equal(
      "False DriverMismatch: spec.driver is Simulated, but the agent on host-a drives QEMU",
    );
    expect(ready("host-b")).to.equal(
      "False StateLandingMismatch: spec.stateLanding is Disk, but state lands in RAM on host-b",
    );
  });

  it("should not use a host that was declared out of service and answers in that boot", async () => {
    const agent = bench.addHost("host-a", {}, { outOfService: { bootID: "boot-1-of-host-a" } });
    await bench.settle();
    expect(ready("host-a")).to.match(/^False OutOfService/);

    agent.reboot();
    await bench.settle();
    expect(ready("host-a")).to.match(/^True AgentAnswers/);
  });

  it("should say what an agent refused", async () => {
    bench.addHost("host-a").refuseNext("host", "Internal", "the journal cannot be read");
    await bench.round();

    expect(ready("host-a")).to.equal(
      "False AgentError: the agent on host-a refused: Internal: the journal cannot be read",
    );
  });

  describe("holds", () => {
    const reservation: Reservation = {
      apiVersion: "vacate.dev/v1alpha1",
      kind: "Reservation",
      metadata: { name: "lab", namespace: "default", uid: "uid-of-lab" },
      spec: {
        hosts: { count: 1 },
        window: { start: "2030-01-01T00:10:00Z", duration: "10m" },
        guests: { selector: { matchLabels: { app: "guest" } } },
      },
    };
    const hold = {
      reservation: { namespace: "default", name: "lab", uid: "uid-of-lab" },
      start: "2030-01-01T00:10:00Z",
      end: "2030-01-01T00:20:00Z",
      since: "2030-01-01T00:00:00Z",
      closedFrom: "2030-01-01T00:05:00Z",
    };

    beforeEach(async () => {
      bench.addHost("host-a");
      bench.client.seed(reservations, reservation);
      await bench.addVirtualMachine("guest", { hostName: "host-a" });
      await bench.addVirtualMachine("stranger", { hostName: "host-a" });
      await bench.settle();
      await bench.client.patch(vmHosts, { name: "host-a" }, { status: { holds: [hold] } }, { subresource: "status" });
    });

    it("should tell the agent of a hold from its start-by until its end, with the guests that may come", async () => {
      const agent = bench.hosts.fake("host-a");
      await bench.settle();
      expect(agent.holds).to.deep.equal([]);

      await bench.advance(301_000, 30_000);
      const allowedUids = [bench.vm("guest").metadata.uid];
      expect(agent.holds).to.deep.equal([{ reservationUid: "uid-of-lab", until: hold.end, allowedUids }]);

      await bench.advance(901_000, 30_000);
      expect(agent.holds).to.deep.equal([]);
    });

    it("should look again exactly when a hold closes", async () => {
      await bench.clock.advance(299_000);
      const { requeueAfterSeconds } = await bench.vmHostController.reconcile({ name: "host-a" }, reconcileContext());

      expect(requeueAfterSeconds).to.equal(1);
    });

    it("should tell the agent once, and again when a new guest may come", async () => {
      await bench.advance(400_000, 50_000);
      const agent = bench.hosts.fake("host-a");
      const told = () => agent.orders.filter(({ name }) => name === "setHolds").length;
      expect(told()).to.equal(1);

      const second = await bench.addVirtualMachine("second");
      await bench.client.patch(virtualMachines, keyOf(second), { metadata: { labels: { app: "guest" } } });
      await bench.settle();
      expect(told()).to.equal(2);
      expect(agent.holds[0]?.allowedUids).to.have.length(2);
    });

    it("should never write holds", async () => {
      await bench.advance(400_000, 50_000);

      expect(bench.vmHost("host-a").status?.holds).to.deep.equal([hold]);
    });

    it("should let no stranger start on a held host", async () => {
      await bench.advance(400_000, 50_000);
      await bench.addVirtualMachine("late", { hostName: "host-a" });
      await bench.settle();

      expect(bench.condition(bench.vm("late"), "Placed")).to.match(
        /^False HostHeld: host-a is held by reservation default\/lab/,
      );
    });
  });

  it("should count hosts and those that are ready", async () => {
    bench.addHost("host-a");
    bench.addHost("host-b").disconnect();
    await bench.settle();

    expect((await bench.metrics.hosts.get()).values[0]?.value).to.equal(2);
    expect((await bench.metrics.hostsReady.get()).values[0]?.value).to.equal(1);
  });
});
