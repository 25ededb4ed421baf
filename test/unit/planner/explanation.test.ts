import { expect } from "chai";
import { admit } from "../../../src/planner/admission.ts";
import { explainPlan } from "../../../src/planner/explanation.ts";
import type { Plan } from "../../../src/planner/plan.ts";
import { cluster, guest, heldBy, host, mebibyte, minutesLater, request } from "./builders.ts";

describe("explainPlan", () => {
  const hosts = [
    host("host-a"),
    host("host-b"),
    host("host-c", { isReady: false }),
    host("host-d", { holds: [heldBy("lab/first", 30, 90)] }),
    host("host-e"),
    host("host-f", { memoryBytes: 1024 * mebibyte }),
  ];
  const guests = [
    guest("small", "host-a", { stateBytes: 100 * mebibyte }),
    // Cheapest to vacate, but it fits nowhere else.
    guest("stuck", "host-b", { stateBytes: 10 * mebibyte, memoryBytes: 4000 * mebibyte }),
    guest("large", "host-e", { stateBytes: 3000 * mebibyte, homeName: "host-e" }),
    guest("homed", "host-a", { stateBytes: 50 * mebibyte, homeName: "host-e" }),
    guest("full", "host-f", { stateBytes: 900 * mebibyte, memoryBytes: 900 * mebibyte }),
  ];
  const asked = request({ count: 1 });
  const state = cluster(hosts, guests);
  const plan = admit(asked, state).plan as Plan;
  const explanation = explainPlan(asked, state, plan);
  const reasonOf = (name: string) => explanation.hosts.find((one) => one.host === name)?.reason;

  it("should say of every host why it was chosen or not, and what it would have cost", () => {
    expect(plan.hosts).to.deep.equal(["host-a"]);
    expect(explanation.hosts.map((one) => one.host)).to.have.members(hosts.map(({ name }) => name));
    expect(explanation.hosts[0]).to.include({ host: "host-a", isChosen: true, displaced: 2 });
    expect(reasonOf("host-a")).to.equal("is among the cheapest to vacate");
    expect(reasonOf("host-b")).to.match(
      /^cannot be vacated in the place of host-a: VM default\/stuck .* fits on no other host/,
    );
    expect(reasonOf("host-c")).to.equal("is not ready");
    expect(reasonOf("host-d")).to.match(/^is held by lab\/first/);
    expect(reasonOf("host-e")).to.equal("costs more than those chosen");
    const [a, e] = ["host-a", "host-e"].map((name) => explanation.hosts.find((one) => one.host === name)?.seconds);
    expect(e).to.be.above(a as number);
  });

  it("should say of every VM why it goes where it goes, and what else there was", () => {
    const [small, homed] = ["default/small", "default/homed"].map((vm) =>
      explanation.targets.find((one) => one.vm === vm),
    );
    expect(homed).to.include({ to: "host-e", reason: "is its home" });
    expect(small?.others.map(({ host: other }) => other)).to.have.length(2);
    expect(small?.seconds).to.be.above(0);
  });

  it("should show every degree of parallelism that was looked at", () => {
    expect(explanation.parallelism).to.have.length(1);
    expect(explanation.parallelism[0]).to.include({ parallelMigrations: 1, isChosen: true });
    const near = request({ windowStart: minutesLater(0.05), heldHosts: ["host-a"] });
    const hurried = admit(near, state).plan as Plan;
    const { parallelism } = explainPlan(near, state, hurried);
    expect(parallelism.map(({ parallelMigrations }) => parallelMigrations)).to.deep.equal([1, 2]);
    expect(parallelism.filter(({ isChosen }) => isChosen)).to.have.length(1);
  });
});

describe("a window that is shorter than vacating takes", () => {
  it("should be planned with a warning that has both numbers", () => {
    const state = cluster([host("host-a"), host("host-b")], [guest("vm", "host-a", { stateBytes: 64_000 * mebibyte })]);
    const short = request({ windowEnd: minutesLater(61), heldHosts: ["host-a"] });
    const [warning] = admit(short, state).plan?.warnings ?? [];
    expect(warning).to.match(/^the window of 1m.* is shorter than the \S+.* set aside to vacate the hosts for it$/);
    expect(admit(request({ heldHosts: ["host-a"] }), state).plan?.warnings).to.deep.equal([]);
  });
});
