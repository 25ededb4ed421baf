import { expect } from "chai";
import type { RawAnswer, RawApi } from "../../support/raw-api.ts";
import { expectStatus, stored, VirtualMachineApi } from "../../support/virtual-machine-api.ts";

describe("the API's built-in kinds", () => {
  let vms: VirtualMachineApi;
  let api: RawApi;

  before(async () => {
    vms = await VirtualMachineApi.start();
    api = vms.api;
  });

  after(() => vms?.stop());

  beforeEach(() => vms.enterNamespace());

  afterEach(() => vms.leaveNamespace());

  it("should keep a secret's strings as bytes, and its type", async () => {
    const secrets = vms.beside("v1", "secrets");
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "a" }, stringData: { key: "value" } };
    const made = (await api.send("POST", secrets, { body: secret })).body;
    expect(made).to.deep.include({ type: "Opaque", data: { key: "dmFsdWU=" } });
    expect(made).to.not.have.property("stringData");
    expectStatus(await api.merge(`${secrets}/a`, { type: "other" }), 422, "Invalid");
  });

  it("should keep what is immutable", async () => {
    const configMap = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a" },
      immutable: true,
      data: { a: "1" },
    };
    await api.send("POST", vms.beside("v1", "configmaps"), { body: configMap });
    expectStatus(await api.merge(`${vms.beside("v1", "configmaps")}/a`, { data: { a: "2" } }), 422, "Invalid");
    expectStatus(await api.merge(`${vms.beside("v1", "configmaps")}/a`, { immutable: false }), 422, "Invalid");
  });

  it("should show an event in both of its APIs", async () => {
    const event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "a" },
      involvedObject: { kind: "VirtualMachine", name: "vm", namespace: vms.namespace },
      reason: "Tried",
      message: "words",
      type: "Normal",
      source: { component: "test" },
      count: 3,
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:00:00Z",
    };
    expect((await api.send("POST", vms.beside("v1", "events"), { body: event })).code).to.equal(201);
    const modern = (await api.get(`${vms.beside("events.k8s.io/v1", "events")}/a`)).body;
    expect(modern).to.deep.include({ note: "words", reason: "Tried", deprecatedCount: 3 });
    expect(modern.regarding).to.deep.include({ kind: "VirtualMachine", name: "vm" });
  });

  it("should let one of two holders take a lease", async () => {
    const leases = vms.beside("coordination.k8s.io/v1", "leases");
    const spec = { holderIdentity: "one", leaseDurationSeconds: 15, renewTime: "2026-01-01T00:00:00.123456Z" };
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "a" }, spec };
    const made = stored(await api.send("POST", leases, { body: lease }));
    expect(made.spec).to.deep.equal(spec);
    const takeOver = (holderIdentity: string): Promise<RawAnswer> =>
      api.send("PUT", `${leases}/a`, { body: { ...made, spec: { ...spec, holderIdentity } } });
    const codes = (await Promise.all([takeOver("two"), takeOver("three")])).map((answer) => answer.code);
    expect(codes).to.have.members([200, 409]);
  });
});
