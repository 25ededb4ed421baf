import { expect } from "chai";
import {
  type OverheadModel,
  overheadModels,
  type VirtualMachine,
  type VMHost,
  vacateApiVersion,
  virtualMachines,
  vmHosts,
} from "../../../../src/api/resources.ts";
import {
  createOverheadModelReconciler,
  overheadModelWatches,
} from "../../../../src/controllers/overheadmodel/reconciler.ts";
import { createMetrics } from "../../../../src/metrics/metrics.ts";
import type { Reconciler } from "../../../../src/runtime/reconciler.ts";
import { FakeClient } from "../../../support/fake-client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { reconcileContext } from "../../../support/recording-events.ts";

type Migration = NonNullable<NonNullable<VirtualMachine["status"]>["migrations"]>[number];
const mebibyte = 2 ** 20;

function migration(index: number, overrides: Partial<Migration> = {}): Migration {
  const size = 100 + 50 * index;
  return {
    id: `m-${index}`,
    result: "Succeeded",
    from: "host-a",
    to: "host-b",
    finishedAt: new Date(Date.parse("2030-01-01T00:00:00Z") + index * 1000).toISOString(),
    stateBytes: size * mebibyte,
    parallel: 1,
    predictedMilliseconds: { suspend: 20, copy: 11 * size, resume: 20, total: 11 * size + 1000 },
    measuredMilliseconds: { suspend: 20, copy: 10 * size, resume: 20, total: 10 * size + 1000 },
    ...overrides,
  };
}

describe("the overhead model controller", () => {
  let client: FakeClient;
  let reconcile: Reconciler;
  const metrics = createMetrics();

  beforeEach(() => {
    const clock = new FakeClock();
    client = new FakeClient(clock);
    reconcile = createOverheadModelReconciler({
      client,
      models: client.cache(overheadModels),
      hosts: client.cache(vmHosts),
      virtualMachines: client.cache(virtualMachines),
      clock,
      metrics,
    });
  });

  function seedHost(name: string, overheadModelName?: string): VMHost {
    const spec = { address: "127.0.0.1", hostKey: "ssh-ed25519 AAAA", identitySecretName: "identity" };
    return client.seed(vmHosts, {
      apiVersion: vacateApiVersion,
      kind: "VMHost",
      metadata: { name },
      spec: { ...spec, ...(overheadModelName !== undefined && { overheadModelName }) },
    });
  }

  function seedMachine(name: string, migrations: Migration[]): VirtualMachine {
    return client.seed(virtualMachines, {
      apiVersion: vacateApiVersion,
      kind: "VirtualMachine",
      metadata: { name, namespace: "default" },
      spec: { cpus: 1, memory: "512Mi", disk: { image: "busybox" } },
      status: { migrations },
    });
  }

  const model = (name = "default"): OverheadModel | undefined => client.peek(overheadModels, { name });
  const writes = () => client.calls.filter(({ verb }) => verb === "patch" || verb === "create").length;

  it("should make the model that a host names, and no other", async () => {
    seedHost("host-a");
    seedHost("host-b", "fast-disks");
    for (const name of ["default", "fast-disks", "unknown"]) await reconcile({ name }, reconcileContext());
    expect(client.peekAll(overheadModels).map(({ metadata }) => metadata.name)).to.deep.equal([
      "default",
      "fast-disks",
    ]);
    expect(model()?.status?.conditions?.[0]).to.include({
      type: "Fitted",
      status: "False",
      reason: "TooFewObservations",
    });
  });

  it("should learn every succeeded migration of its hosts once, and write nothing when there is nothing new", async () => {
    seedHost("host-a");
    seedHost("host-b");
    seedMachine("one", [migration(2), migration(1), migration(0)]);
    seedMachine("two", [migration(4, { result: "RolledBack" }), migration(3), migration(9, { from: "x", to: "y" })]);
    await reconcile({ name: "default" }, reconcileContext());
    const status = model()?.status;
    expect(status?.history?.map(({ id }) => id)).to.deep.equal(["m-0", "m-1", "m-2", "m-3"]);
    expect(status?.observationCount).to.equal(4);
    expect(status?.copy).to.include({ nanosecondsPerMebibyte: 10_000_000, observations: 4, mape: "10.0%" });
    expect(status?.conditions?.[0]).to.include({ status: "True", reason: "Fitted" });
    const before = writes();
    await reconcile({ name: "default" }, reconcileContext());
    expect(writes()).to.equal(before);
    const { values } = await metrics.modelErrorRatio.get();
    expect(values.find(({ labels }) => labels.phase === "copy")?.value).to.be.closeTo(0.1, 1e-9);
  });

  it("should show a drift with numbers, and none where there is none", async () => {
    seedHost("host-a");
    seedHost("host-b");
    const drifting = () => model()?.status?.conditions?.find(({ type }) => type === "Drifting");
    const sized = (index: number, factor: number) => {
      const size = 100 + 100 * (index % 5);
      const measuredMilliseconds = {
        suspend: 20,
        copy: 10 * size * factor,
        resume: 20,
        total: 10 * size * factor + 1000,
      };
      return migration(index, { stateBytes: size * mebibyte, measuredMilliseconds });
    };
    seedMachine(
      "before",
      Array.from({ length: 20 }, (_, index) => sized(index, 1)),
    );
    await reconcile({ name: "default" }, reconcileContext());
    expect(drifting()).to.include({ status: "False", reason: "Steady" });
    seedMachine(
      "after",
      Array.from({ length: 15 }, (_, index) => sized(20 + index, 1.5)),
    );
    await reconcile({ name: "default" }, reconcileContext());
    expect(drifting()).to.include({ status: "True", reason: "LevelChanged" });
    expect(drifting()?.message).to.match(
      /^copy takes (4[5-9]|5[0-5])\.\d% longer than in the older half of 35 observations/,
    );
  });

  it("should keep what it has learned when the VM is gone", async () => {
    seedHost("host-a");
    seedHost("host-b");
    const vm = seedMachine("one", [migration(2), migration(1), migration(0)]);
    await reconcile({ name: "default" }, reconcileContext());
    await client.delete(virtualMachines, { namespace: "default", name: vm.metadata.name });
    await reconcile({ name: "default" }, reconcileContext());
    expect(model()?.status?.history).to.have.length(3);
  });

  it("should teach the source's model the suspend and the target's the rest", async () => {
    seedHost("host-a", "slow");
    seedHost("host-b", "fast");
    seedMachine("one", [migration(2), migration(1), migration(0)]);
    for (const name of ["slow", "fast"]) await reconcile({ name }, reconcileContext());
    expect(model("slow")?.status?.suspend?.observations).to.equal(3);
    expect(model("slow")?.status?.copy?.observations).to.equal(0);
    expect(model("fast")?.status?.suspend?.observations).to.equal(0);
    expect(model("fast")?.status?.copy?.observations).to.equal(3);
  });

  it("should be asked about the models that a change concerns", () => {
    const [a, b] = [seedHost("host-a", "slow"), seedHost("host-b", "fast")];
    const [hostWatch, machineWatch] = overheadModelWatches(client.cache(vmHosts));
    expect(hostWatch?.mapToKeys(a, undefined)).to.deep.equal([{ name: "slow" }]);
    expect(hostWatch?.mapToKeys(b, a)).to.deep.equal([{ name: "fast" }, { name: "slow" }]);
    expect(hostWatch?.mapToKeys(a, a)).to.deep.equal([]);
    const vm = seedMachine("one", [migration(0)]);
    expect(machineWatch?.mapToKeys(vm, undefined)).to.deep.equal([{ name: "slow" }, { name: "fast" }]);
    expect(machineWatch?.mapToKeys(vm, vm)).to.deep.equal([]);
  });
});
