import { expect } from "chai";
import { virtualMachines, vmHosts } from "../../../../src/api/resources.ts";
import { transferSteps } from "../../../../src/simulation/simulated-transfer.ts";
import { ControllerBench } from "../../../support/controller-bench.ts";
import { reconcileContext } from "../../../support/recording-events.ts";

describe("virtualmachine controller", () => {
  let bench: ControllerBench;

  beforeEach(async () => {
    bench = new ControllerBench();
    bench.addHost("host-a");
    bench.addHost("host-b");
    bench.addHost("host-c");
    await bench.settle();
  });

  async function runningOn(hostName: string, name = "web") {
    await bench.addVirtualMachine(name, { hostName });
    await bench.settle();
    expect(bench.vm(name).status?.hostName).to.equal(hostName);
  }

  describe("placing and starting", () => {
    it("should start a VM on the host that the scheduler chooses, under a recorded grant", async () => {
      await bench.addVirtualMachine("web");
      await bench.settle();

      const { status } = bench.vm("web");
      expect(status?.assignment?.by.kind).to.equal("Scheduler");
      expect(status?.hostName).to.equal(status?.assignment?.hostName);
      expect(status?.grant).to.deep.equal({ hostName: "host-a", epoch: 1, bootID: "boot-1-of-host-a" });
      expect(status?.phase).to.equal("Running");
      expect(bench.condition(bench.vm("web"), "Placed")).to.match(/^True OnWantedHost/);
      expect(bench.condition(bench.vm("web"), "Running")).to.match(/^True Running/);
      expect(bench.condition(bench.vm("web"), "Migrating")).to.match(/^False NotMoving/);
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
      expect(bench.errors).to.deep.equal([]);
    });

    it("should record the grant before the agent hears of it", async () => {
      const grants: unknown[] = [];
      bench.hosts.fake("host-a").beforeNext("start", () => void grants.push(bench.vm("web").status?.grant));
      await runningOn("host-a");

      expect(grants).to.deep.equal([{ hostName: "host-a", epoch: 1 }]);
    });

    it("should spread VMs over hosts", async () => {
      for (const name of ["one", "two", "three"]) await bench.addVirtualMachine(name);
      await bench.settle();

      const hostNames = ["one", "two", "three"].map((name) => bench.vm(name).status?.hostName);
      expect(hostNames).to.have.members(["host-a", "host-b", "host-c"]);
    });

    it("should spread VMs over hosts that are decided at the same moment", async () => {
      const names = ["one", "two", "three"];
      for (const name of names) await bench.addVirtualMachine(name);
      const keys = names.map((name) => ({ namespace: "default", name }));
      await Promise.all(keys.map((key) => bench.virtualMachineController.reconcile(key, reconcileContext())));

      const hostNames = names.map((name) => bench.vm(name).status?.grant?.hostName);
      expect(hostNames).to.have.members(["host-a", "host-b", "host-c"]);
    });

    it("should start a VM at its home only", async () => {
      await runningOn("host-c");

      expect(bench.vm("web").status?.assignment).to.equal(undefined);
    });

    it("should run VMs of one name in two namespaces", async () => {
      await bench.addVirtualMachine("web", { hostName: "host-a" }, "red");
      await bench.addVirtualMachine("web", { hostName: "host-a" }, "blue");
      await bench.settle();

      expect(bench.hosts.running()).to.have.members(["host-a/red/web/1", "host-a/blue/web/1"]);
    });

    it("should start nothing while some host does not answer, and say which", async () => {
      bench.hosts.fake("host-b").disconnect();
      await bench.settle();
      await bench.addVirtualMachine("web", { hostName: "host-a" });
      await bench.settle();

      expect(bench.hosts.running()).to.deep.equal([]);
      expect(bench.condition(bench.vm("web"), "Placed")).to.match(/^False UnansweredHosts: .*host-b \(/);

      bench.hosts.fake("host-b").reconnect();
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
    });

    it("should not wait for a silent host that a person gave up", async () => {
      const bootID = bench.vmHost("host-b").status?.agent?.bootID;
      bench.hosts.fake("host-b").disconnect();
      await bench.client.patch(vmHosts, { name: "host-b" }, { spec: { outOfService: { bootID } } });
      await bench.addVirtualMachine("web", { hostName: "host-a" });
      await bench.settle();

      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
    });

    it("should wait for a host that was given up in another boot", async () => {
      bench.hosts.fake("host-b").disconnect();
      await bench.client.patch(vmHosts, { name: "host-b" }, { spec: { outOfService: { bootID: "another-boot" } } });
      await bench.addVirtualMachine("web", { hostName: "host-a" });
      await bench.settle();

      expect(bench.hosts.running()).to.deep.equal([]);
    });

    it("should say what each host lacks when none fits", async () => {
      await bench.addVirtualMachine("big", { memory: "64Gi" });
      await bench.settle();

      const placed = bench.condition(bench.vm("big"), "Placed");
      expect(placed).to.match(
        /^False NoHostFits: 0 of 3 hosts fit 1 CPUs, 64Gi and image tiny: host-a: 8 CPUs and 8Gi free;/,
      );
      expect(bench.vm("big").status?.phase).to.equal("Pending");
    });

    it("should say that an image is missing at its home, and start it once the image is there", async () => {
      await bench.addVirtualMachine("web", { hostName: "host-a", disk: { image: "other" } });
      await bench.settle();
      expect(bench.condition(bench.vm("web"), "Placed")).to.match(
        /^False ImageMissing: host-a has no base image other; it has tiny/,
      );

      bench.hosts.fake("host-a").images.push("other");
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
    });

    it("should refuse a spec that the server should have refused", async () => {
      await bench.addVirtualMachine("web", { cpus: -1 });
      await bench.settle();

      expect(bench.condition(bench.vm("web"), "Placed")).to.equal(
        "False InvalidSpec: spec.cpus is -1; allowed are 1 to 256",
      );
    });

    it("should refuse a name that fits into no label", async () => {
      const name = "n".repeat(64);
      await bench.addVirtualMachine(name);
      await bench.settle();

      expect(bench.condition(bench.vm(name), "Placed")).to.equal(
        "False InvalidSpec: metadata.name has 64 characters; allowed are at most 63",
      );
      expect(bench.hosts.running()).to.deep.equal([]);
    });

    it("should leave a guest as it is and where it is when the server let its size be edited", async () => {
      await runningOn("host-a");
      await bench.client.patch(
        virtualMachines,
        { namespace: "default", name: "web" },
        { spec: { memory: "1Gi", hostName: "host-b" } },
      );
      await bench.settle();

      expect(bench.condition(bench.vm("web"), "Placed")).to.equal(
        "False InvalidSpec: cpus, memory and disk cannot change: it has 1 CPUs, 512Mi, image tiny, not 1 CPUs, 1Gi, image tiny; make a new virtual machine",
      );
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
    });

    it("should name a home that does not exist", async () => {
      await bench.addVirtualMachine("web", { hostName: "host-x" });
      await bench.settle();

      expect(bench.condition(bench.vm("web"), "Placed")).to.match(/^False NoSuchHost: there is no VMHost host-x/);
    });

    it("should try another host when the chosen one refuses", async () => {
      bench.hosts.fake("host-a").refuseNext("start", "StateFolderFull");
      await bench.addVirtualMachine("web");
      await bench.settle();

      expect(bench.hosts.running()).to.deep.equal(["host-b/default/web/2"]);
      expect(bench.events.recorded.join("\n")).to.contain("StartFailed");
    });

    it("should take a new epoch when an agent buried the first", async () => {
      bench.hosts.fake("host-a").refuseNext("start", "Tombstoned");
      await runningOn("host-a");

      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/2"]);
    });

    it("should start a VM once when the answer to the order is lost", async () => {
      bench.hosts.fake("host-a").loseNextAnswer("start");
      await bench.addVirtualMachine("web", { hostName: "host-a" });
      await bench.settle();
      await bench.settle();

      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
    });
  });

  describe("adopting", () => {
    it("should adopt a running guest of its name, and start nothing", async () => {
      bench.hosts.fake("host-b").addGuest({ uid: "old-uid", name: "web", epoch: 7 });
      await bench.addVirtualMachine("web");
      await bench.settle();

      expect(bench.hosts.running()).to.deep.equal(["host-b/default/web/7"]);
      expect(bench.vm("web").status?.hostName).to.equal("host-b");
      expect(bench.vm("web").status?.grant?.epoch).to.equal(7);
      const uid = bench.vm("web").metadata.uid ?? "";
      expect([...bench.hosts.fake("host-b").held.keys()]).to.deep.equal([uid]);
      expect(bench.events.recorded.join("\n")).to.contain("Adopted");
    });

    it("should not adopt a guest of another size, nor start a second one", async () => {
      bench.hosts.fake("host-b").addGuest({ uid: "old-uid", name: "web", memoryBytes: 2 ** 30 });
      await bench.addVirtualMachine("web");
      await bench.settle();

      expect(bench.condition(bench.vm("web"), "Placed")).to.match(
        /^False Incompatible: host-b has a guest of this name with 1 CPUs, 1Gi/,
      );
      expect(bench.hosts.running()).to.deep.equal(["host-b/default/web/1"]);
    });

    it("should adopt a VM that was deleted and created again while its host was unreachable", async () => {
      await runningOn("host-a");
      bench.hosts.fake("host-a").disconnect();
      await bench.client.patch(
        virtualMachines,
        { namespace: "default", name: "web" },
        { spec: { deletionPolicy: "Retain" } },
      );
      await bench.client.delete(virtualMachines, { namespace: "default", name: "web" });
      await bench.settle();
      expect(bench.hasVm("web")).to.equal(false);

      await bench.addVirtualMachine("web");
      await bench.settle();
      expect(bench.condition(bench.vm("web"), "Placed")).to.match(/^False UnansweredHosts/);
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);

      bench.hosts.fake("host-a").reconnect();
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
      expect(bench.vm("web").status?.hostName).to.equal("host-a");
    });
  });

  describe("stopping, crashing and deleting", () => {
    it("should power a VM off and on again", async () => {
      await runningOn("host-a");
      const key = { namespace: "default", name: "web" };
      await bench.client.patch(virtualMachines, key, { spec: { powerState: "Stopped" } });
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal([]);
      expect(bench.vm("web").status?.phase).to.equal("Stopped");
      expect(bench.condition(bench.vm("web"), "Running")).to.match(/^False Stopped/);

      await bench.client.patch(virtualMachines, key, { spec: { powerState: "Running" } });
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/2"]);
    });

    it("should start a crashed guest anew under a new epoch, and not in a tight loop", async () => {
      await runningOn("host-a");
      const uid = bench.vm("web").metadata.uid ?? "";
      bench.hosts.fake("host-a").crashGuest(uid);
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/2"]);
      expect(bench.events.recorded.join("\n")).to.contain("Restarted");

      bench.hosts.fake("host-a").crashGuest(uid);
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal([]);
      expect(bench.vm("web").status?.phase).to.equal("Crashed");
      await bench.advance(6000);
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/3"]);
    });

    it("should leave a crashed guest alone when it shall stop then", async () => {
      await bench.addVirtualMachine("web", { hostName: "host-a", onCrash: "Stop" });
      await bench.settle();
      bench.hosts.fake("host-a").reboot();
      await bench.settle();

      expect(bench.hosts.running()).to.deep.equal([]);
      expect(bench.condition(bench.vm("web"), "Running")).to.equal("False Crashed: host-a has rebooted");
    });

    it("should say that a VM's host is silent, and start it nowhere else", async () => {
      await runningOn("host-a");
      bench.hosts.fake("host-a").disconnect();
      await bench.settle();

      expect(bench.condition(bench.vm("web"), "Running")).to.match(/^Unknown HostSilent/);
      expect(bench.vm("web").status?.phase).to.equal("Unknown");
      expect(bench.vm("web").status?.hostName).to.equal("host-a");
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
    });

    it("should say that a VM's host cannot be connected any more", async () => {
      await runningOn("host-a");
      bench.hosts.failures.set("host-a", { state: "Connecting" });
      bench.hosts.connection = () => undefined;
      await bench.client.patch(vmHosts, { name: "host-a" }, { spec: { identitySecretName: "missing" } });
      await bench.settle();

      expect(bench.condition(bench.vm("web"), "Running")).to.match(/^Unknown HostSilent: .*there is no Secret/);
    });

    it("should start a VM elsewhere when its host was given up, and void what returns", async () => {
      await bench.addVirtualMachine("web");
      await bench.settle();
      const [hostName] = [bench.vm("web").status?.hostName ?? ""];
      const bootID = bench.vmHost(hostName).status?.agent?.bootID;
      const lost = bench.hosts.fake(hostName);
      lost.disconnect();
      await bench.client.patch(vmHosts, { name: hostName }, { spec: { outOfService: { bootID } } });
      await bench.settle();
      expect(bench.vm("web").status?.hostName).to.equal("host-b");
      expect(bench.vm("web").status?.grant?.epoch).to.equal(2);

      lost.reconnect();
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal(["host-b/default/web/2"]);
    });

    it("should remove the guest before the object goes", async () => {
      await runningOn("host-a");
      await bench.client.delete(virtualMachines, { namespace: "default", name: "web" });
      await bench.settle();

      expect(bench.hasVm("web")).to.equal(false);
      expect(bench.hosts.fake("host-a").held.size).to.equal(0);
    });

    it("should keep a deleted object until its silent host has removed the guest", async () => {
      await runningOn("host-a");
      bench.hosts.fake("host-a").disconnect();
      await bench.client.delete(virtualMachines, { namespace: "default", name: "web" });
      await bench.settle();
      expect(bench.vm("web").status?.phase).to.equal("Terminating");
      expect(bench.condition(bench.vm("web"), "Running")).to.match(/^Unknown Terminating: host-a has to remove/);

      bench.hosts.fake("host-a").reconnect();
      await bench.settle();
      expect(bench.hasVm("web")).to.equal(false);
      expect(bench.hosts.fake("host-a").held.size).to.equal(0);
    });

    it("should leave the guest running when it is to be retained", async () => {
      await bench.addVirtualMachine("web", { hostName: "host-a", deletionPolicy: "Retain" });
      await bench.settle();
      await bench.client.delete(virtualMachines, { namespace: "default", name: "web" });
      await bench.settle();

      expect(bench.hasVm("web")).to.equal(false);
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
      expect(bench.vmHost("host-a").status?.virtualMachines?.[0]?.known).to.equal(false);
    });
  });

  describe("migrating", () => {
    it("should move a VM whose home a person changes, and record what was predicted and measured", async () => {
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      const { migration } = bench.vm("web").status ?? {};
      expect(migration).to.include({ id: "migration-1", epoch: 1, from: "host-a", to: "host-b", parallel: 1 });
      expect(migration?.predictedMilliseconds?.total).to.be.greaterThan(0);
      expect(bench.condition(bench.vm("web"), "Migrating")).to.match(/^True Moving/);
      await bench.advance(5000);

      const { status } = bench.vm("web");
      expect(status?.hostName).to.equal("host-b");
      expect(status?.grant).to.deep.include({ hostName: "host-b", epoch: 2 });
      expect(status?.migration).to.equal(undefined);
      const finished = status?.migrations?.[0];
      expect(finished).to.deep.include({ id: "migration-1", result: "Succeeded", from: "host-a", to: "host-b" });
      expect(finished?.measuredMilliseconds).to.include({ suspend: 100, copy: 1842, resume: 50 });
      expect(finished?.measuredMilliseconds?.total).to.be.within(1992, 4000);
      expect(finished?.downtimeMilliseconds).to.equal(1992);
      expect(finished?.predictedMilliseconds).to.deep.equal(migration?.predictedMilliseconds);
      expect(bench.hosts.running()).to.deep.equal(["host-b/default/web/2"]);
      expect(bench.condition(bench.vm("web"), "Placed")).to.match(/^True OnWantedHost/);
      for (const name of ["host-a", "host-b"]) expect(bench.hosts.fake(name).reports.size).to.equal(0);
      expect(bench.events.recorded.some((event) => /Normal Migrated .*predicted/.test(event))).to.equal(true);
      const counted = await bench.metrics.migrations.get();
      expect(counted.values.find(({ labels }) => labels.result === "Succeeded")?.value).to.equal(1);
    });

    it("should record the migration before any agent hears of it", async () => {
      await runningOn("host-a");
      const recorded: unknown[] = [];
      bench.hosts
        .fake("host-a")
        .beforeNext("prepareSource", () => void recorded.push(bench.vm("web").status?.migration?.id));
      await bench.setHome("web", "host-b");
      await bench.settle();

      expect(recorded).to.deep.equal(["migration-1"]);
    });

    it("should show bytes and phase while it copies", async () => {
      bench.hosts.automatic = false;
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      bench.hosts.stepUntil("CopiedHalf");
      await bench.advance(1500);

      const { status } = bench.vm("web");
      expect(status?.phase).to.equal("Copying");
      expect(status?.migration).to.include({ step: "Copy", bytesDone: 2 ** 26, bytesTotal: 2 ** 27 });
    });

    for (const [why, reason, change] of [
      [
        "a full host",
        "HostFull",
        () => bench.hosts.fake("host-b").addGuest({ uid: "x", name: "x", memoryBytes: 2 ** 33 }),
      ],
      ["a host without the image", "ImageMissing", () => bench.hosts.fake("host-b").images.splice(0)],
      ["a silent host", "HostNotReady", () => bench.hosts.fake("host-b").disconnect()],
    ] as const) {
      it(`should not move a VM to ${why}`, async () => {
        await runningOn("host-a");
        change();
        await bench.settle();
        await bench.setHome("web", "host-b");
        await bench.settle();

        expect(bench.condition(bench.vm("web"), "Placed")).to.match(new RegExp(`^False ${reason}: host-b`));
        expect(bench.vm("web").status?.migration).to.equal(undefined);
        expect(bench.hosts.running()).to.contain("host-a/default/web/1");
      });
    }

    it("should not move a VM that is never to be moved", async () => {
      await bench.addVirtualMachine("web", { hostName: "host-a", migration: { policy: "Never" } });
      await bench.settle();
      await bench.setHome("web", "host-b");
      await bench.settle();

      expect(bench.condition(bench.vm("web"), "Placed")).to.match(/^False MigrationForbidden/);
    });

    it("should record a refused preparation, undo it on the source, and wait longer each time", async () => {
      await runningOn("host-a");
      bench.hosts.fake("host-b").cpuModel = "another";
      await bench.setHome("web", "host-b");
      await bench.settle();
      const [first] = bench.vm("web").status?.migrations ?? [];
      expect(first).to.deep.include({ result: "RolledBack", reason: "Incompatible" });
      expect(first?.message).to.match(/^Prepare on host-b: cpuModel is another here/);
      expect(bench.condition(bench.vm("web"), "Placed")).to.match(/^False MigrationFailed/);
      expect(bench.hosts.fake("host-a").reports.size).to.equal(0);

      await bench.advance(16_000, 1000);
      expect(bench.vm("web").status?.migrations).to.have.length(3);
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
    });

    it("should roll back when the way between the hosts breaks, and try again", async () => {
      bench.hosts.automatic = false;
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      bench.hosts.stepUntil("CopiedHalf");
      bench.hosts.breakTransfer("migration-1");
      bench.hosts.automatic = true;
      await bench.settle();
      expect(bench.vm("web").status?.migrations?.[0]).to.deep.include({ result: "RolledBack", reason: "CopyFailed" });
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
      expect(bench.events.recorded.join("\n")).to.contain("RolledBack");

      await bench.advance(10_000);
      expect(bench.hosts.running()).to.deep.equal(["host-b/default/web/2"]);
    });

    it("should stop before the hand-over when the wish changes back", async () => {
      bench.hosts.automatic = false;
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      bench.hosts.stepUntil("CopiedHalf");
      await bench.setHome("web", "host-a");
      await bench.settle();

      expect(bench.vm("web").status?.migrations?.[0]).to.deep.include({ result: "RolledBack", reason: "Aborted" });
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
      expect(bench.condition(bench.vm("web"), "Placed")).to.match(/^True OnWantedHost/);
    });

    it("should finish, and then go back, when the wish changes after the hand-over", async () => {
      bench.hosts.automatic = false;
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      bench.hosts.stepUntil("HandedOver");
      await bench.setHome("web", "host-a");
      await bench.settle();
      expect(bench.hosts.running()).to.deep.equal([]);
      bench.hosts.automatic = true;
      bench.hosts.stepUntil("Released");
      await bench.advance(10_000);

      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/3"]);
      expect(bench.vm("web").status?.migrations?.map(({ to }) => to)).to.deep.equal(["host-a", "host-b"]);
    });

    it("should end a migration before it deletes the VM", async () => {
      bench.hosts.automatic = false;
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      bench.hosts.stepUntil("CopiedHalf");
      await bench.client.delete(virtualMachines, { namespace: "default", name: "web" });
      await bench.settle();

      expect(bench.hasVm("web")).to.equal(false);
      for (const name of ["host-a", "host-b"]) expect(bench.hosts.fake(name).held.size).to.equal(0);
    });

    for (const step of ["Recorded", ...transferSteps]) {
      it(`should bring a migration to its end when the operator was killed at ${step}`, async () => {
        bench.hosts.automatic = false;
        await runningOn("host-a");
        await bench.setHome("web", "host-b");
        if (step === "Recorded") {
          const killed = new Error("killed");
          bench.hosts.fake("host-a").beforeNext("prepareSource", () => Promise.reject(killed));
          await bench.round();
          expect(bench.vm("web").status?.migration?.id).to.equal("migration-1");
        } else {
          await bench.settle();
          bench.hosts.stepUntil(step as (typeof transferSteps)[number]);
        }
        bench.startOperator();
        await bench.settle();
        for (let steps = 0; steps < 12; steps++) {
          bench.hosts.step();
          await bench.advance(1000);
        }

        expect(bench.hosts.running()).to.deep.equal(["host-b/default/web/2"]);
        expect(bench.vm("web").status?.hostName).to.equal("host-b");
        expect(bench.vm("web").status?.migrations).to.have.length(1);
        expect(bench.vm("web").status?.migrations?.[0]?.result).to.equal("Succeeded");
        for (const name of ["host-a", "host-b"]) expect(bench.hosts.fake(name).reports.size).to.equal(0);
      });

      if (step === "Recorded") continue;
      it(`should hold one running guest in the end when source and target part at ${step}`, async () => {
        bench.hosts.automatic = false;
        await runningOn("host-a");
        await bench.setHome("web", "host-b");
        await bench.settle();
        bench.hosts.stepUntil(step as (typeof transferSteps)[number]);
        bench.hosts.breakTransfer("migration-1");
        bench.hosts.automatic = true;
        await bench.advance(30_000, 1000);

        expect(bench.hosts.running()).to.have.length(1);
        expect(bench.hosts.running()[0]).to.match(/^host-b\/default\/web/);
        expect(bench.vm("web").status?.migration).to.equal(undefined);
        for (const name of ["host-a", "host-b"]) expect(bench.hosts.fake(name).reports.size).to.equal(0);
        expect(bench.hosts.fake("host-a").held.size).to.equal(0);
      });

      for (const victim of ["host-a", "host-b"]) {
        it(`should hold one running guest in the end when ${victim} reboots at ${step}`, async () => {
          bench.hosts.automatic = false;
          await runningOn("host-a");
          await bench.setHome("web", "host-b");
          await bench.settle();
          bench.hosts.stepUntil(step as (typeof transferSteps)[number]);
          bench.hosts.fake(victim).reboot();
          bench.hosts.automatic = true;
          await bench.advance(60_000, 1000);

          expect(bench.hosts.running()).to.have.length(1);
          expect(bench.vm("web").status?.migration).to.equal(undefined);
          expect(bench.vm("web").status?.hostName).to.equal("host-b");
          for (const name of ["host-a", "host-b"]) expect(bench.hosts.fake(name).reports.size).to.equal(0);
        });
      }
    }

    it("should bring the guest back at once when the target is gone and the source does not notice", async () => {
      bench.hosts.automatic = false;
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      bench.hosts.stepUntil("CopiedHalf");
      const target = bench.hosts.fake("host-b");
      target.setReport("migration-1", { step: "RolledBack", settled: true, reason: "AgentRestarted" });
      target.held.clear();
      await bench.advance(12_000, 1000);

      expect(bench.hosts.running()[0]).to.match(/^host-a/);
      expect(bench.vm("web").status?.migrations?.[0]?.result).to.equal("RolledBack");
    });

    it("should finish without a source that is silent for long, and clear its copy away when it returns", async () => {
      bench.hosts.automatic = false;
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      bench.hosts.stepUntil("Running");
      bench.hosts.breakTransfer("migration-1");
      bench.hosts.fake("host-a").disconnect();
      await bench.settle();
      expect(bench.vm("web").status?.hostName).to.equal("host-b");
      expect(bench.vm("web").status?.migration?.step).to.equal("Release");
      await bench.advance(70_000, 5000);
      expect(bench.vm("web").status?.migrations?.[0]?.result).to.equal("Succeeded");

      bench.hosts.fake("host-a").reconnect();
      await bench.settle();
      expect(bench.hosts.fake("host-a").held.size).to.equal(0);
      expect(bench.hosts.fake("host-a").reports.size).to.equal(0);
    });

    it("should not take a source that releases the guest while it is asked for one that has lost it", async () => {
      bench.hosts.automatic = false;
      await runningOn("host-a");
      await bench.setHome("web", "host-b");
      await bench.settle();
      bench.hosts.stepUntil("CopiedHalf");
      const { promise: released, resolve } = Promise.withResolvers<void>();
      bench.hosts.fake("host-a").beforeNext("guest", () => {
        bench.hosts.stepUntil("Released");
        resolve();
      });
      bench.hosts.fake("host-b").beforeNext("migration", () => released);
      await bench.advance(2000);

      expect(bench.vm("web").status?.migrations?.[0]?.downtimeMilliseconds).to.equal(1992);
      const ordered = bench.hosts.fake("host-a").orders.map(({ name }) => name);
      expect(ordered).to.not.include("releaseSource");
    });

    it("should obey no order of its own once another operator has taken over", async () => {
      await runningOn("host-a");
      bench.hosts.fake("host-a").operatorTerm = 99;
      await bench.setHome("web", "host-b");
      await bench.round();

      expect(String(bench.errors.at(-1))).to.contain("another operator has taken over");
      expect(bench.hosts.running()).to.deep.equal(["host-a/default/web/1"]);
    });
  });
});
