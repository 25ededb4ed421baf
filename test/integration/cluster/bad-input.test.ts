import { expect } from "chai";
import { virtualMachines, vmHosts } from "../../../src/api/resources.ts";
import type { VMHostSpec } from "../../../src/api/types.gen.ts";
import { startIn } from "../../../src/cli/sample.ts";
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
        create: () => scene.client.create(vmHosts, scene.hostLike("host-a", "bad", { sshPort: 70_000 })),
        says: /spec\.sshPort.*65535/,
      },
      {
        what: "an unknown field",
        create: () =>
          scene.client.create(vmHosts, scene.hostLike("host-a", "bad", { adress: "127.0.0.1" } as Partial<VMHostSpec>)),
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
      expect(await scene.refusal("short", "InvalidSpec")).to.equal(
        "spec.window.duration 1s is not between 1m and 720h",
      );
    });

    it("should refuse a selector that says nothing", async function () {
      needs(this, scene.server, "no cel");
      await scene.reserve("empty", { in: "1h", selector: { matchExpressions: [{ key: "pool", operator: "In" }] } });
      expect(await scene.refusal("empty", "InvalidSpec")).to.equal(
        "spec.hosts.selector.matchExpressions: operator In of key pool needs values",
      );
    });

    it("should refuse names that fit into no label", async function () {
      needs(this, scene.server, "no cel");
      const name = "n".repeat(64);
      await scene.reserve(name, { in: "1h" });
      expect(await scene.refusal(name, "InvalidSpec")).to.match(
        /^metadata\.name has 64 characters; allowed are at most 63$/,
      );
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

  describe("reservations", () => {
    it("should refuse a window in the past", async () => {
      const start = startIn("0s", new Date(Date.now() - 3_600_000));
      await scene.reserve("yesterday", { start });
      expect(await scene.refusal("yesterday", "WindowInPast")).to.include(
        `window.start ${start.replace("Z", ".000Z")}`,
      );
      const { status } = await scene.reservation("yesterday");
      expect(status?.phase).to.equal("Refused");
    });

    it("should refuse more hosts than there are, with the numbers", async () => {
      await scene.reserve("greedy", { in: "1h", count: 5 });
      expect(await scene.refusal("greedy", "InsufficientHosts")).to.include("5 hosts wanted, 2 of 2 qualify");
    });

    it("should refuse hosts whose VMs have nowhere to go", async () => {
      await scene.createGuest("crowd-a", { home: "host-a" });
      await scene.runningOn("crowd-a", "host-a");
      await scene.reserve("all", { in: "1h", count: 2 });
      expect(await scene.refusal("all", "InsufficientCapacity")).to.include("crowd-a");
      expect((await scene.host("host-a")).status?.holds ?? []).to.deep.equal([]);
    });
  });
});
