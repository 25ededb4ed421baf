import { expect } from "chai";
import { freePort } from "../../../hack/testbed/free-port.ts";
import { sshKeyPair } from "../../../hack/testbed/ssh-key-pair.ts";
import { type Reservation, secrets, type VMHost, virtualMachines, vmHosts } from "../../../src/api/resources.ts";
import type { VMHostSpec } from "../../../src/api/types.gen.ts";
import { startIn } from "../../../src/cli/sample.ts";
import { findCondition } from "../../../src/runtime/condition.ts";
import { OperatorScene } from "../../support/operator-scene.ts";
import { rejection } from "../../support/rejection.ts";
import { type Capability, needs } from "../../support/server-under-test.ts";

describe("bad input", function () {
  this.timeout(120_000);
  let scene: OperatorScene;

  before(async () => {
    scene = await OperatorScene.start();
    await scene.addHosts({ name: "host-a" }, { name: "host-b" });
    await scene.startOperator();
    for (const { name } of scene.hosts) await scene.hostReady(name, "True", "AgentAnswers");
  });

  afterEach(() => scene.clear());

  after(() => scene?.stop());

  describe("at the door", () => {
    interface Refusal {
      what: string;
      create: () => Promise<unknown>;
      says: RegExp;
      needs?: Capability;
    }
    const window = (duration: string) => () => scene.reserve("bad", { in: "1h", duration });
    const refusals: Refusal[] = [
      { what: "a negative window", create: window("-1h"), says: /spec\.window\.duration.*-1h/ },
      { what: "a window of a second", create: window("1s"), says: /spec\.window.*between 1m and 720h/, needs: "cel" },
      {
        what: "more hosts than anyone has",
        create: () => scene.reserve("bad", { in: "1h", count: 100_000 }),
        says: /spec\.hosts\.count.*1000/,
      },
      {
        what: "memory that is none",
        create: () => scene.createGuest("bad", { memory: "lots" }),
        says: /spec\.memory.*lots/,
      },
      {
        what: "more memory than there is",
        create: () => scene.createGuest("bad", { memory: "9999999Ti" }),
        says: /spec\.memory.*9999999Ti/,
      },
      {
        what: "an image outside of the folder of images",
        create: () => scene.createGuest("bad", { image: "../etc" }),
        says: /spec\.disk\.image.*\.\.\/etc/,
      },
      {
        what: "a port that is none",
        create: () => scene.client.create(vmHosts, hostLike("bad", { sshPort: 70_000 })),
        says: /spec\.sshPort.*65535/,
      },
      {
        what: "an unknown field",
        create: () => scene.client.create(vmHosts, hostLike("bad", { adress: "127.0.0.1" } as Partial<VMHostSpec>)),
        says: /unknown field "spec\.adress"/,
        needs: "strictValidation",
      },
    ];

    for (const { what, create, says, needs: needed } of refusals) {
      it(`should refuse ${what}`, async function () {
        if (needed) needs(this, scene.server, needed);
        const error = await rejection(create());
        expect(error).to.have.property("code").that.is.oneOf([400, 422]);
        expect(error.message).to.match(says);
      });
    }
  });

  describe("where the server lets it through", () => {
    it("should refuse a window that is too short", async function () {
      needs(this, scene.server, "no cel");
      await scene.reserve("short", { in: "1h", duration: "1s" });
      expect(await refusal("short", "InvalidSpec")).to.equal("spec.window.duration 1s is not between 1m and 720h");
    });

    it("should refuse a selector that says nothing", async function () {
      needs(this, scene.server, "no cel");
      await scene.reserve("empty", { in: "1h", selector: { matchExpressions: [{ key: "pool", operator: "In" }] } });
      expect(await refusal("empty", "InvalidSpec")).to.equal(
        "spec.hosts.selector.matchExpressions: operator In of key pool needs values",
      );
    });

    it("should refuse names that fit into no label", async function () {
      needs(this, scene.server, "no cel");
      const name = "n".repeat(64);
      await scene.reserve(name, { in: "1h" });
      expect(await refusal(name, "InvalidSpec")).to.match(/^metadata\.name has 64 characters; allowed are at most 63$/);
      await scene.createGuest(name);
      expect(await scene.guestCondition(name, "Placed", "False", "InvalidSpec")).to.match(/^metadata\.name .* 63/);
      expect(await scene.inventory()).to.deep.equal([]);
    });

    it("should leave a VM as it is whose size is edited", async function () {
      needs(this, scene.server, "no cel");
      await scene.createGuest("grown", { home: "host-a" });
      await scene.runningOn("grown", "host-a");
      await scene.client.patch(virtualMachines, scene.keyOf("grown"), { spec: { memory: "1Gi", hostName: "host-b" } });
      expect(await scene.guestCondition("grown", "Placed", "False", "InvalidSpec")).to.equal(
        "cpus, memory and disk cannot change: it has 1 CPUs, 64Mi, image counter, not 1 CPUs, 1Gi, image counter; make a new virtual machine",
      );
      await scene.client.patch(virtualMachines, scene.keyOf("grown"), { spec: { memory: "64Mi" } });
      await scene.runningOn("grown", "host-b");
    });
  });

  describe("hosts", () => {
    const name = "host-x";
    afterEach(() => scene.delete(vmHosts, name));

    /** A VMHost with host-a's sshd and agent, but for what is wrong. */
    async function add(wrong: Partial<VMHostSpec>): Promise<void> {
      await scene.client.create(vmHosts, hostLike(name, wrong));
    }

    it("should say that nobody listens at the address", async () => {
      const port = await freePort();
      await add({ sshPort: port });
      const message = await scene.hostReady(name, "False", "ConnectionRefused");
      expect(message).to.include(`127.0.0.1 port ${port}`);
    });

    it("should say that the address does not exist", async () => {
      await add({ address: "no-such-host.invalid" });
      expect(await scene.hostReady(name, "False", "AddressUnreachable")).to.include("no-such-host.invalid");
    });

    it("should show both fingerprints when the host has another key", async () => {
      await add({ hostKey: sshKeyPair().publicKey });
      expect(await scene.hostReady(name, "False", "HostKeyMismatch")).to.match(/SHA256:\S+.*SHA256:\S+/);
      expect(await scene.eventCount(await scene.host(name), "HostKeyMismatch")).to.equal(1);
    });

    it("should say that the host does not know the identity, and try again when it is replaced", async () => {
      const wrong = Buffer.from(sshKeyPair().privateKey).toString("base64");
      const good = scene.testHost("host-a").identitySecret(scene.operatorNamespace);
      const secret = { ...good, metadata: { ...good.metadata, name: "wrong" }, data: { "ssh-privatekey": wrong } };
      await scene.client.create(secrets, secret);
      await add({ identitySecretName: "wrong" });
      const message = await scene.hostReady(name, "False", "IdentityRejected");
      expect(message).to.include(scene.testHost("host-a").sshd.user);
      expect(JSON.stringify(await scene.host(name))).to.not.include("PRIVATE KEY");
      await scene.client.patch(secrets, secret.metadata, { data: good.data });
      // The identity is right now; that the agent is the one of host-a comes to light.
      await scene.hostReady(name, "False", "DuplicateAgent");
    });

    it("should say that the identity is no key", async () => {
      const metadata = { name: "no-key", namespace: scene.operatorNamespace };
      const data = { "ssh-privatekey": Buffer.from("hunter2").toString("base64") };
      await scene.client.create(secrets, { apiVersion: "v1", kind: "Secret", metadata, data });
      await add({ identitySecretName: "no-key" });
      expect(await scene.hostReady(name, "False", "IdentityRejected")).to.not.include("hunter2");
    });

    it("should name the Secret that is missing", async () => {
      await add({ identitySecretName: "forgotten" });
      expect(await scene.hostReady(name, "False", "IdentitySecretMissing")).to.equal(
        `there is no Secret ${scene.operatorNamespace}/forgotten; create it with the private key under ssh-privatekey`,
      );
    });

    it("should say where it looked for the agent", async () => {
      await add({ agentSocket: "/nowhere/agent.sock" });
      expect(await scene.hostReady(name, "False", "AgentNotListening")).to.include("/nowhere/agent.sock");
    });

    it("should say that a machine was described twice", async () => {
      await add({});
      expect(await scene.hostReady(name, "False", "DuplicateAgent"))
        .to.include("host-a")
        .and.to.include(name);
    });
  });

  describe("virtual machines", () => {
    it("should say why a VM that is larger than every host has none", async () => {
      await scene.createGuest("giant", { memory: "4Gi", cpus: 2 });
      expect(await scene.guestCondition("giant", "Placed", "False", "NoHostFits")).to.equal(
        "0 of 2 hosts fit 2 CPUs, 4Gi and image counter: host-a: 8 CPUs and 2Gi free; host-b: 8 CPUs and 2Gi free",
      );
    });

    it("should say that a VM does not fit its home", async () => {
      await scene.createGuest("giant", { memory: "4Gi", home: "host-b" });
      expect(await scene.guestCondition("giant", "Placed", "False", "HostFull")).to.equal(
        "host-b has 8 CPUs and 2Gi free, 1 CPUs and 4Gi are needed",
      );
    });

    it("should say which images the home has instead", async () => {
      await scene.createGuest("typo", { image: "conuter", home: "host-a" });
      expect(await scene.guestCondition("typo", "Placed", "False", "ImageMissing")).to.equal(
        "host-a has no base image conuter; it has busy, counter",
      );
    });

    it("should say that no host has the image", async () => {
      await scene.createGuest("typo", { image: "conuter" });
      expect(await scene.guestCondition("typo", "Placed", "False", "NoHostFits")).to.include(
        "host-b: no image conuter",
      );
    });

    it("should say that the home does not exist, and move in when it does", async () => {
      await scene.createGuest("early", { home: "host-z" });
      expect(await scene.guestCondition("early", "Placed", "False", "NoSuchHost")).to.include(
        "there is no VMHost host-z",
      );
      await scene.setHome("early", "host-a");
      await scene.runningOn("early", "host-a");
      // One that runs already stays where it is.
      await scene.setHome("early", "host-z");
      expect(await scene.guestCondition("early", "Placed", "False", "NoSuchHost")).to.include(
        "there is no VMHost host-z",
      );
      expect((await scene.guest("early")).status).to.include({ hostName: "host-a", phase: "Running" });
    });

    it("should run VMs of one name in two namespaces", async () => {
      const other = `${scene.namespace}-too`;
      await scene.makeNamespace(other);
      await scene.createGuest("twin", { home: "host-a" });
      await scene.createGuest("twin", { home: "host-a", namespace: other });
      await scene.inventoryBecomes(`host-a: ${scene.namespace}/twin`, `host-a: ${other}/twin`);
    });
  });

  describe("a VM that is deleted and created again while its host is unreachable", () => {
    const place = () => `host-a: ${scene.namespace}/twin`;
    let isCutOff = false;

    afterEach(() => returns());

    /** Runs it on host-a, then cuts host-a off. */
    async function cutOff(deletionPolicy: "Delete" | "Retain"): Promise<void> {
      await scene.createGuest("twin", { home: "host-a", deletionPolicy });
      await scene.runningOn("twin", "host-a");
      await scene.testHost("host-a").sshd.stop();
      isCutOff = true;
      await scene.hostReady("host-a", "False", "ConnectionRefused");
      await scene.delete(virtualMachines, "twin");
    }

    async function returns(): Promise<void> {
      if (!isCutOff) return;
      isCutOff = false;
      await scene.testHost("host-a").startSshd(scene.signal);
      await scene.hostReady("host-a", "True", "AgentAnswers");
    }

    it("should keep the object until the host has proven that the guest is gone", async () => {
      await cutOff("Delete");
      const message = await scene.guestCondition("twin", "Running", "Unknown", "Terminating");
      expect(message).to.include("host-a has to remove the guest and does not answer");
      const refused = await rejection(scene.createGuest("twin", { home: "host-b" }));
      expect(refused.message).to.match(/object is being deleted: virtualmachines\.vacate\.dev "twin" already exists/);
      expect(await scene.inventory()).to.deep.equal([place()]);

      await returns();
      await scene.gone(virtualMachines, "twin");
      expect(await scene.inventory()).to.deep.equal([]);
      await scene.createGuest("twin", { home: "host-b" });
      await scene.runningOn("twin", "host-b");
      expect(await scene.inventory()).to.deep.equal([`host-b: ${scene.namespace}/twin`]);
    });

    it("should adopt the guest that was to be retained, and start no second one", async () => {
      await cutOff("Retain");
      await scene.gone(virtualMachines, "twin");
      await scene.createGuest("twin", { home: "host-b" });
      const message = await scene.guestCondition("twin", "Placed", "False", "UnansweredHosts");
      expect(message).to.include("these do not answer: host-a (");
      expect(await scene.inventory()).to.deep.equal([place()]);

      await returns();
      // Found on host-a, it moves to its home as any other VM.
      const vm = await scene.runningOn("twin", "host-b");
      expect(await scene.eventCount(vm, "Adopted")).to.equal(1);
      expect(vm.status?.migrations?.[0]).to.include({ result: "Succeeded", from: "host-a", to: "host-b" });
      expect(await scene.inventory()).to.deep.equal([`host-b: ${scene.namespace}/twin`]);
    });

    it("should adopt the guest whose object was removed by force", async () => {
      await cutOff("Delete");
      await scene.client.patch(virtualMachines, scene.keyOf("twin"), { metadata: { finalizers: null } });
      await scene.gone(virtualMachines, "twin");
      await scene.createGuest("twin");
      await scene.guestCondition("twin", "Placed", "False", "UnansweredHosts");
      expect(await scene.inventory()).to.deep.equal([place()]);

      await returns();
      const vm = await scene.runningOn("twin", "host-a");
      expect(await scene.eventCount(vm, "Adopted")).to.equal(1);
      expect(await scene.inventory()).to.deep.equal([place()]);
    });
  });

  describe("reservations", () => {
    it("should refuse a window in the past", async () => {
      const start = startIn("0s", new Date(Date.now() - 3_600_000));
      await scene.reserve("yesterday", { start });
      expect(await refusal("yesterday", "WindowInPast")).to.include(`window.start ${start.replace("Z", ".000Z")}`);
      const { status } = await scene.reservation("yesterday");
      expect(status?.phase).to.equal("Refused");
    });

    it("should refuse more hosts than there are, with the numbers", async () => {
      await scene.reserve("greedy", { in: "1h", count: 5 });
      expect(await refusal("greedy", "InsufficientHosts")).to.include("5 hosts wanted, 2 of 2 qualify");
    });

    it("should refuse hosts whose VMs have nowhere to go", async () => {
      await scene.createGuest("crowd-a", { home: "host-a" });
      await scene.runningOn("crowd-a", "host-a");
      await scene.reserve("all", { in: "1h", count: 2 });
      expect(await refusal("all", "InsufficientCapacity")).to.include("crowd-a");
      expect((await scene.host("host-a")).status?.holds ?? []).to.deep.equal([]);
    });
  });

  it("should try nothing over and over", async () => {
    await scene.createGuest("giant", { memory: "4Gi" });
    await scene.createGuest("typo", { image: "conuter", home: "host-a" });
    await scene.reserve("greedy", { in: "1h", count: 5 });
    await scene.guestCondition("giant", "Placed", "False", "NoHostFits");
    await scene.guestCondition("typo", "Placed", "False", "ImageMissing");
    await refusal("greedy", "InsufficientHosts");
    await scene.client.create(vmHosts, hostLike("host-x", { hostKey: sshKeyPair().publicKey }));
    try {
      await scene.hostReady("host-x", "False", "HostKeyMismatch");
      const perSecond = await scene.reconcilesPerSecond(4);
      // Each connection attempt to host-x is news for those who wait; they come ever more rarely.
      expect(perSecond).to.be.lessThan(8);
    } finally {
      await scene.delete(vmHosts, "host-x");
    }
  });

  function hostLike(name: string, wrong: Partial<VMHostSpec>): VMHost {
    const manifest = scene.testHost("host-a").manifest();
    return { ...manifest, metadata: { name }, spec: { ...manifest.spec, ...wrong } };
  }

  /** Waits until the reservation is refused for this reason. @returns the message */
  async function refusal(name: string, reason: string): Promise<string> {
    const admitted = ({ status }: Reservation) => findCondition(status?.conditions, "Admitted");
    const isRefused = (object: Reservation) => admitted(object)?.reason === reason;
    const refused = await scene.reservationUntil(name, `refused for ${reason}`, isRefused);
    expect(admitted(refused)?.status).to.equal("False");
    return admitted(refused)?.message ?? "";
  }
});
