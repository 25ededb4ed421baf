import { expect } from "chai";
import { ensureGuestImages } from "../../../hack/guest/build.ts";
import { freePort } from "../../../hack/testbed/free-port.ts";
import { sshKeyPair } from "../../../hack/testbed/ssh-key-pair.ts";
import { secrets, virtualMachines, vmHosts } from "../../../src/api/resources.ts";
import type { VMHostSpec } from "../../../src/api/types.gen.ts";
import { OperatorScene } from "../../support/operator-scene.ts";
import { rejection } from "../../support/rejection.ts";

describe("hosts that cannot be used", function () {
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

  describe("because they are described wrongly", () => {
    const name = "host-x";
    afterEach(() => scene.delete(vmHosts, name));

    /** A VMHost with host-a's sshd and agent, but for what is wrong. */
    async function add(wrong: Partial<VMHostSpec>): Promise<void> {
      await scene.client.create(vmHosts, scene.hostLike("host-a", name, wrong));
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

  it("should try nothing over and over", async () => {
    await scene.createGuest("giant", { memory: "4Gi" });
    await scene.createGuest("typo", { image: "conuter", home: "host-a" });
    await scene.reserve("greedy", { in: "1h", count: 5 });
    await scene.guestCondition("giant", "Placed", "False", "NoHostFits");
    await scene.guestCondition("typo", "Placed", "False", "ImageMissing");
    await scene.refusal("greedy", "InsufficientHosts");
    await scene.client.create(vmHosts, scene.hostLike("host-a", "host-x", { hostKey: sshKeyPair().publicKey }));
    try {
      await scene.hostReady("host-x", "False", "HostKeyMismatch");
      const perSecond = await scene.reconcilesPerSecond(4);
      // Each connection attempt to host-x is news for those who wait; they come ever more rarely.
      expect(perSecond).to.be.lessThan(8);
    } finally {
      await scene.delete(vmHosts, "host-x");
    }
  });

  it("should say how much room a full state folder lacks", async () => {
    const imagesFolder = await ensureGuestImages();
    const [host] = await scene.addHosts({
      name: "host-full",
      driver: "QEMU",
      imagesFolder,
      stateFolderBytes: 32 * 2 ** 20,
    });
    await scene.hostReady("host-full", "True", "AgentAnswers");
    await scene.createGuest("squeezed", { home: "host-full", memory: "128Mi" });
    expect(await scene.guestCondition("squeezed", "Placed", "False", "HostFull")).to.match(
      /^host-full cannot start it: .* has \d+ bytes free, \d+ are needed$/,
    );
    expect(await scene.inventory()).to.deep.equal([]);
    expect(host && (await host.withAgent((agent) => agent.host(scene.signal))).allocated.virtualMachines).to.equal(0);
  });
});
