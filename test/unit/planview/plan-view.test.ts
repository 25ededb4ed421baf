import { expect } from "chai";
import fc from "fast-check";
import { explainPlan } from "../../../src/planner/explanation.ts";
import type { PlannerGuest } from "../../../src/planner/inputs.ts";
import { planVacating } from "../../../src/planner/plan.ts";
import { planJson } from "../../../src/planview/plan-json.ts";
import { planSvg, refusalSvg } from "../../../src/planview/plan-svg.ts";
import { planTable } from "../../../src/planview/plan-table.ts";
import { type PlanView, planView } from "../../../src/planview/plan-view.ts";
import { anyCluster, cluster, guest, host, mebibyte, minutesLater, request } from "../planner/builders.ts";

const now = minutesLater(0);
const hosts = [host("host-a"), host("host-b"), host("host-c", { cpus: 64, memoryBytes: 2 ** 36 })];

function viewOf(guests: PlannerGuest[], asked = request(), hostNames = ["host-a", "host-b"]): PlanView {
  const plan = planVacating(asked, cluster(hosts, guests), hostNames);
  const startBy = new Date(asked.windowStart.getTime() - Math.max(5, plan.allowanceSeconds) * 1000);
  return planView(asked, plan, explainPlan(asked, cluster(hosts, guests), plan), startBy, now);
}

const guests = (count: number, overrides: Partial<PlannerGuest> = {}) =>
  Array.from({ length: count }, (_, index) => guest(`vm-${index}`, index % 2 === 0 ? "host-a" : "host-b", overrides));

/** Every tag is closed in its order. */
function isWellFormed(markup: string): boolean {
  const open: string[] = [];
  for (const [, closing, name, selfClosing] of markup.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (selfClosing) continue;
    if (!closing) open.push(name ?? "");
    else if (open.pop() !== name) return false;
  }
  return open.length === 0;
}

describe("planView", () => {
  it("should let moves follow one another until the predicted total", () => {
    const { moves, predictedSeconds } = viewOf(guests(4));
    expect(moves.map((move) => move.beginSeconds)).to.deep.equal([
      0,
      ...moves.slice(0, -1).map((move) => move.endSeconds),
    ]);
    expect(moves.at(-1)?.endSeconds).to.be.closeTo(predictedSeconds, 1e-6);
  });

  it("should never have more moves at once than the plan", () => {
    const { moves, predictedSeconds } = viewOf(guests(7), request({ parallelMigrations: 3 }));
    for (const { beginSeconds: moment } of moves) {
      const running = moves.filter((move) => move.beginSeconds <= moment && moment < move.endSeconds);
      expect(running.length).to.be.within(1, 3);
    }
    expect(Math.max(...moves.map((move) => move.endSeconds))).to.be.closeTo(predictedSeconds, 1e-6);
  });

  it("should say that a start-by that has passed begins now, with its lower probability", () => {
    const view = viewOf(guests(4), request({ windowStart: minutesLater(0.3) }));
    expect(view.begin).to.deep.equal(now);
    expect(view.onTimeProbability).to.be.below(0.9);
    expect(planTable(view)).to.match(/ago, so it begins at once/);
    expect(planSvg(view)).to.include("begins now");
  });

  it("should count the downtime of suspend, copy and resume, not the preparation", () => {
    const { moves, downtimeSeconds } = viewOf(guests(2));
    const down = moves.map((move) => move.suspendSeconds + move.copySeconds + move.resumeSeconds);
    expect(downtimeSeconds).to.be.closeTo((down[0] ?? 0) + (down[1] ?? 0), 1e-9);
    expect(downtimeSeconds).to.be.below(moves.reduce((sum, move) => sum + move.totalSeconds, 0));
  });
});

describe("the plan as a table, JSON and a time line", () => {
  it("should show every VM with its target in each of them", () => {
    const view = viewOf(guests(5));
    for (const text of [planTable(view), JSON.stringify(planJson(view)), planSvg(view)]) {
      for (let index = 0; index < 5; index++) expect(text).to.include(`vm-${index}`);
      expect(text).to.include("host-c");
    }
  });

  it("should say so when nothing has to move", () => {
    const view = viewOf([]);
    expect(planTable(view)).to.include("no VM has to leave");
    expect(planSvg(view)).to.include("free already");
  });

  it("should draw one bar of three phases for each VM, however many there are", () => {
    for (const count of [1, 40, 100]) {
      const svg = planSvg(viewOf(guests(count, { cpus: 0, memoryBytes: mebibyte })));
      for (const phase of ["suspend", "resume"]) {
        // One more in the legend.
        expect(svg.split(`class="${phase}"`).length - 1, `${count} ${phase}`).to.equal(count + 1);
      }
    }
  });

  it("should escape names and keep long ones inside", () => {
    const name = `<&"${"x".repeat(200)}`;
    const asked = request({ name });
    const svg = planSvg(viewOf([guest(name, "host-a")], asked));
    expect(svg).to.include("&lt;&amp;&quot;").and.not.include(`<&"`);
    expect(isWellFormed(svg)).to.equal(true);
    const shown = [...svg.matchAll(/<text[^>]*>([^<]*)/g)].map(([, text]) => text?.length ?? 0);
    expect(Math.max(...shown)).to.be.below(160);
  });

  it("should have colours for light and dark", () => {
    expect(planSvg(viewOf(guests(1)))).to.include("@media (prefers-color-scheme: dark)");
    expect(refusalSvg("default/x", { reason: "Conflict", message: "held" })).to.include("prefers-color-scheme: dark");
  });

  it("should be well formed, finite and inside the picture for any cluster", () => {
    fc.assert(
      fc.property(
        anyCluster,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: -5, max: 60 }),
        (any, parallel, minutes) => {
          const asked = request({ parallelMigrations: parallel, windowStart: minutesLater(minutes) });
          const plan = planVacating(asked, any, [any.hosts[0]?.name ?? ""]);
          const startBy = new Date(asked.windowStart.getTime() - Math.max(5, plan.allowanceSeconds) * 1000);
          const view = planView(asked, plan, explainPlan(asked, any, plan), startBy, any.now);
          const svg = planSvg(view);
          expect(isWellFormed(svg)).to.equal(true);
          expect(`${svg}${planTable(view)}`).to.not.match(/NaN|Infinity|undefined/);
          for (const [, x, length] of svg.matchAll(/<rect[^>]* x="([-\d.]+)"[^>]* width="([-\d.]+)"/g)) {
            expect(Number(x)).to.be.at.least(0);
            expect(Number(length)).to.be.at.least(0);
            expect(Number(x) + Number(length)).to.be.at.most(1080);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
