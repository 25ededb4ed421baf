import { expect } from "chai";
import type { VirtualMachine } from "../../../src/api/resources.ts";
import { wantedHost } from "../../../src/api/wanted-host.ts";

type Status = NonNullable<VirtualMachine["status"]>;

function vm(home: string | undefined, status: Status = {}): VirtualMachine {
  return {
    apiVersion: "vacate.dev/v1alpha1",
    kind: "VirtualMachine",
    metadata: { name: "vm", namespace: "default", uid: "vm-uid" },
    spec: { cpus: 1, memory: "256Mi", disk: { image: "counter" }, ...(home === undefined ? {} : { hostName: home }) },
    status,
  };
}

const byReservation: Status["assignment"] = { hostName: "host-r", by: { kind: "Reservation", uid: "r1" } };
const byScheduler: Status["assignment"] = { hostName: "host-s", by: { kind: "Scheduler" } };

describe("wantedHost", () => {
  it("should follow a reservation that still holds a host, before the VM's home", () => {
    expect(wantedHost(vm("home", { assignment: byReservation }), new Set(["r1"]))).to.equal("host-r");
  });

  it("should go home when the reservation holds nothing any more", () => {
    expect(wantedHost(vm("home", { assignment: byReservation }), new Set(["other"]))).to.equal("home");
  });

  it("should go home rather than where the scheduler said", () => {
    expect(wantedHost(vm("home", { assignment: byScheduler }), new Set())).to.equal("home");
  });

  it("should follow the scheduler when there is no home", () => {
    expect(wantedHost(vm(undefined, { assignment: byScheduler, hostName: "here" }), new Set())).to.equal("host-s");
  });

  it("should stay where it is when nobody says anything", () => {
    expect(wantedHost(vm(undefined, { hostName: "here" }), new Set())).to.equal("here");
    expect(wantedHost(vm(undefined, { hostName: "here", assignment: byReservation }), new Set())).to.equal("here");
  });

  it("should leave an unplaced VM to the scheduler", () => {
    expect(wantedHost(vm(undefined), new Set())).to.equal(undefined);
  });
});
