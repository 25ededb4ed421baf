import { expect } from "chai";
import type { Reservation, VirtualMachine, VMHost } from "../../../../src/api/resources.ts";
import type { ClusterView } from "../../../../src/controllers/virtualmachine/host-check.ts";
import { refusalOf } from "../../../../src/controllers/virtualmachine/host-check.ts";
import { chooseHost } from "../../../../src/controllers/virtualmachine/scheduler.ts";
import { virtualMachine, vmHost } from "../../../support/controller-bench.ts";

const now = new Date("2030-01-01T12:00:00Z");
const inMinutes = (minutes: number) => new Date(now.getTime() + minutes * 60_000).toISOString();

function host(
  name: string,
  change: { status?: Partial<VMHost["status"]>; spec?: Partial<VMHost["spec"]> } = {},
): VMHost {
  const ready = { type: "Ready", status: "True" as const, reason: "AgentAnswers", message: "", lastTransitionTime: "" };
  return {
    ...vmHost(name, change.spec),
    status: {
      agent: { uuid: name, bootID: "boot", images: [{ name: "tiny" }] },
      capacity: { cpus: 4, memory: "4Gi" },
      conditions: [ready],
      ...change.status,
    },
  };
}

function vm(
  name: string,
  spec: Partial<VirtualMachine["spec"]> = {},
  status?: VirtualMachine["status"],
): VirtualMachine {
  const machine = virtualMachine(name, spec);
  machine.metadata.uid = `uid-${name}`;
  return status ? { ...machine, status } : machine;
}

function cluster(change: Partial<ClusterView>): ClusterView {
  return { now, hosts: [], virtualMachines: [], reservation: () => undefined, assumed: new Map(), ...change };
}

function hold(name: string, startMinutes: number, endMinutes: number, closedFromMinutes?: number) {
  return {
    reservation: { namespace: "default", name, uid: `uid-${name}` },
    start: inMinutes(startMinutes),
    end: inMinutes(endMinutes),
    since: inMinutes(-60),
    ...(closedFromMinutes === undefined ? {} : { closedFrom: inMinutes(closedFromMinutes) }),
  };
}

const guestsOf = (labels: Record<string, string>): Reservation => ({
  apiVersion: "vacate.dev/v1alpha1",
  kind: "Reservation",
  metadata: { name: "lab", namespace: "default", uid: "uid-lab" },
  spec: {
    hosts: { count: 1 },
    window: { start: inMinutes(0), duration: "1h" },
    guests: { selector: { matchLabels: labels } },
  },
});

describe("chooseHost", () => {
  it("should take the least loaded host, then the first by name", () => {
    const there = vm("there", {}, { hostName: "a" });
    const hosts = [host("c"), host("b"), host("a")];

    expect(chooseHost(vm("web"), cluster({ hosts, virtualMachines: [there] }))).to.deep.equal({ hostName: "b" });
    expect(chooseHost(vm("web"), cluster({ hosts }))).to.deep.equal({ hostName: "a" });
  });

  it("should count VMs that are on their way, and those just decided", () => {
    const migration = { id: "m", epoch: 1, from: "x", to: "a", step: "Copy" as const };
    const coming = vm("coming", {}, { hostName: "x", migration });
    const hosts = [host("a"), host("b"), host("c")];
    const assumed = new Map([["uid-decided", "b"]]);
    const view = cluster({ hosts, virtualMachines: [coming, vm("decided")], assumed });

    expect(chooseHost(vm("web"), view)).to.deep.equal({ hostName: "c" });
  });

  it("should count what an agent holds that no object knows", () => {
    const hosts = [host("a", { status: { allocated: { cpus: 2, memory: "1Gi", virtualMachines: 1 } } }), host("b")];

    expect(chooseHost(vm("web"), cluster({ hosts }))).to.deep.equal({ hostName: "b" });
  });

  it("should prefer a host that nobody will want, however loaded", () => {
    const there = vm("there", { cpus: 2 }, { hostName: "b" });
    const hosts = [host("a", { status: { holds: [hold("lab", 120, 180)] } }), host("b")];

    expect(chooseHost(vm("web"), cluster({ hosts, virtualMachines: [there] }))).to.deep.equal({ hostName: "b" });
  });

  it("should take a host that is held much later when there is no other", () => {
    const hosts = [host("a", { status: { holds: [hold("lab", 120, 180)] } })];

    expect(chooseHost(vm("web"), cluster({ hosts }))).to.deep.equal({ hostName: "a" });
  });

  for (const [what, held] of [
    ["held now", hold("lab", -10, 60)],
    ["closed since its start-by", hold("lab", 30, 60, -1)],
    ["held in less than ten minutes", hold("lab", 9, 60)],
    ["closed in less than ten minutes", hold("lab", 30, 60, 5)],
  ] as const) {
    it(`should not take a host that is ${what}, unless the VM is one of its guests`, () => {
      const hosts = [host("a", { status: { holds: [held] } })];
      const choice = chooseHost(vm("web"), cluster({ hosts }));
      expect(choice).to.have.nested.property("refusal.reason", "NoHostFits");
      expect(choice)
        .to.have.nested.property("refusal.message")
        .that.matches(/a: held by default\/lab/);

      const reservation = () => guestsOf({ app: "web" });
      expect(chooseHost(vm("web"), cluster({ hosts, reservation }))).to.deep.equal({ hostName: "a" });
      expect(chooseHost(vm("other"), cluster({ hosts, reservation }))).to.have.property("refusal");
    });
  }

  it("should not take a host whose hold is over for held", () => {
    const hosts = [host("a", { status: { holds: [hold("lab", -60, 0)] } })];

    expect(chooseHost(vm("web"), cluster({ hosts }))).to.deep.equal({ hostName: "a" });
  });

  it("should leave out a host that has just refused", () => {
    const avoid = new Map([["a", { reason: "HostFull" as const, message: "", short: "refused (HostFull)" }]]);

    expect(chooseHost(vm("web"), cluster({ hosts: [host("a"), host("b")] }), avoid)).to.deep.equal({ hostName: "b" });
  });

  it("should say what each host lacks, in short", () => {
    const notReady = {
      type: "Ready",
      status: "False" as const,
      reason: "Timeout",
      message: "",
      lastTransitionTime: "",
    };
    const hosts = [
      host("a", { spec: { unschedulable: true } }),
      host("b", { status: { conditions: [notReady] } }),
      host("c", { status: { agent: { uuid: "c", images: [] } } }),
      host("d", { status: { capacity: { cpus: 1, memory: "256Mi" } } }),
    ];

    expect(chooseHost(vm("web"), cluster({ hosts }))).to.have.nested.property(
      "refusal.message",
      "0 of 4 hosts fit 1 CPUs, 512Mi and image tiny: a: unschedulable; b: not ready (Timeout); c: no image tiny; d: 1 CPUs and 256Mi free",
    );
  });

  it("should say so when there are no hosts at all", () => {
    expect(chooseHost(vm("web"), cluster({})))
      .to.have.nested.property("refusal.message")
      .that.matches(/there is no VMHost/);
  });
});

describe("refusalOf", () => {
  it("should let a VM stay where it is, however full the host", () => {
    const web = vm("web", { cpus: 4 }, { hostName: "a" });
    const status = {
      allocated: { cpus: 4, memory: "512Mi", virtualMachines: 1 },
      virtualMachines: [{ uid: "uid-web", namespace: "default", name: "web", state: "Running" }],
    };

    expect(refusalOf(web, "a", cluster({ hosts: [host("a", { status })], virtualMachines: [web] }))).to.equal(
      undefined,
    );
  });

  it("should give the numbers when a host is full", () => {
    const there = vm("there", { cpus: 4 }, { hostName: "a" });
    const refusal = refusalOf(vm("web"), "a", cluster({ hosts: [host("a")], virtualMachines: [there] }));

    expect(refusal).to.include({
      reason: "HostFull",
      message: "a has 0 CPUs and 3584Mi free, 1 CPUs and 512Mi are needed",
    });
  });

  it("should need no room for VMs that are powered off", () => {
    const off = vm("off", { cpus: 4, powerState: "Stopped" }, { hostName: "a" });

    expect(refusalOf(vm("web"), "a", cluster({ hosts: [host("a")], virtualMachines: [off] }))).to.equal(undefined);
  });

  it("should keep VMs apart, whichever of the two asks for it", () => {
    const apartFrom = { matchLabels: { app: "web" } };
    const web = vm("web", {}, { hostName: "a" });
    const shy = vm("shy", { placement: { apartFrom } });
    expect(refusalOf(shy, "a", cluster({ hosts: [host("a")], virtualMachines: [web] }))).to.include({
      reason: "HostMismatch",
    });

    const shyThere = vm("shy", { placement: { apartFrom } }, { hostName: "a" });
    expect(refusalOf(vm("web"), "a", cluster({ hosts: [host("a")], virtualMachines: [shyThere] }))).to.include({
      reason: "HostMismatch",
    });
    const foreign = { ...web, metadata: { ...web.metadata, namespace: "other" } };
    expect(refusalOf(shy, "a", cluster({ hosts: [host("a")], virtualMachines: [foreign] }))).to.equal(undefined);
  });

  it("should heed the labels that the VM asks for", () => {
    const picky = vm("picky", { placement: { hostSelector: { matchLabels: { rack: "rack-of-b" } } } });
    const hosts = [host("a"), host("b")];

    expect(refusalOf(picky, "a", cluster({ hosts }))).to.include({ reason: "HostMismatch" });
    expect(refusalOf(picky, "b", cluster({ hosts }))).to.equal(undefined);
  });
});
