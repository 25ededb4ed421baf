import { expect } from "chai";
import type { GuestReport, GuestState, MigrationReport, MigrationStep } from "../../../../src/agent/protocol/types.ts";
import {
  type MigrationAction,
  nextAction,
  type SideView,
  targetHolds,
} from "../../../../src/controllers/virtualmachine/repair.ts";

function side(
  role: "Source" | "Target",
  step: MigrationStep | undefined,
  guestState: GuestState | undefined,
  change: Partial<MigrationReport> = {},
): SideView {
  const report: MigrationReport | undefined = step && {
    ...{ id: "m", uid: "u", role, epoch: 1, step, settled: true, bytesDone: 0, bytesTotal: 0, measured: {} },
    ...change,
  };
  const guest: GuestReport | undefined = guestState && {
    ...{ uid: "u", namespace: "default", name: "web", epoch: 1, cpus: 1, memoryBytes: 1, image: "tiny", bootId: "b" },
    state: guestState,
  };
  return { kind: "Answers", report, guest };
}

const busy = { settled: false };
const stateLost = { reason: "StateLost" };

const sources: Record<string, SideView> = {
  Silent: { kind: "Silent" },
  GivenUp: { kind: "GivenUp" },
  Nothing: side("Source", undefined, undefined),
  Unprepared: side("Source", undefined, "Running"),
  GoneUnrecorded: side("Source", undefined, "Lost"),
  Prepared: side("Source", "Prepared", "Running", busy),
  Suspending: side("Source", "Suspending", "Suspended", busy),
  Copying: side("Source", "Copying", "Suspended", busy),
  StuckCopying: side("Source", "Copying", "Suspended"),
  Gone: side("Source", "Copying", "Lost", stateLost),
  HandedOver: side("Source", "HandedOver", "HandedOver", busy),
  HandedOverIdle: side("Source", "HandedOver", "HandedOver"),
  HandedOverGone: side("Source", "HandedOver", undefined),
  ToldRunning: side("Source", "Running", "HandedOver", busy),
  ToldRunningIdle: side("Source", "Running", "HandedOver"),
  Released: side("Source", "Released", undefined),
  RollingBack: side("Source", "RolledBack", "Suspended", busy),
  RolledBack: side("Source", "RolledBack", "Running"),
  RolledBackLost: side("Source", "RolledBack", "Lost"),
};

const targets: Record<string, SideView> = {
  Silent: { kind: "Silent" },
  GivenUp: { kind: "GivenUp" },
  Nothing: side("Target", undefined, undefined),
  Prepared: side("Target", "Prepared", "Incoming", busy),
  Copying: side("Target", "Copying", "Incoming", busy),
  Loaded: side("Target", "Loaded", "Incoming", busy),
  LoadedGone: side("Target", "Loaded", "Incoming", stateLost),
  Running: side("Target", "Running", "Running"),
  RunningCrashed: side("Target", "Running", "Crashed"),
  Stuck: side("Target", "Running", "Suspended", { reason: "ResumeFailed" }),
  Dropping: side("Target", "RolledBack", "Incoming", busy),
  RolledBack: side("Target", "RolledBack", undefined),
  Surrendered: side("Target", "Surrendered", undefined),
};

/** The whole table: for each source, the action for each target in the order of `targets`. Succeeded, Failed and RolledBack are ends. */
const columns = Object.keys(targets);
const table: Record<string, string> = {
  //               Silent        GivenUp       Nothing       Prepared      Copying       Loaded        LoadedGone      Running       RunningCrashed Stuck        Dropping RolledBack    Surrendered
  Silent:
    "        Wait          Wait          Wait          Wait          Wait          Wait          Wait            Wait          Wait          ResumeTarget Wait     Wait          Wait",
  GivenUp:
    "       Wait          Failed        Failed        AbortTarget   AbortTarget   ResumeTarget  SurrenderTarget Succeeded     Succeeded     ResumeTarget Wait     Failed        Failed",
  Nothing:
    "       Wait          Failed        Failed        AbortTarget   AbortTarget   ResumeTarget  SurrenderTarget Succeeded     Succeeded     ResumeTarget Wait     Failed        Failed",
  Unprepared:
    "    RolledBack    RolledBack    Prepare       Prepare       Prepare       DiscardTarget DiscardTarget   Wait          Wait          ResumeTarget Wait     RolledBack    RolledBack",
  GoneUnrecorded:
    "Wait          Failed        Failed        AbortTarget   AbortTarget   ResumeTarget  SurrenderTarget Succeeded     Succeeded     ResumeTarget Wait     Failed        Failed",
  Prepared:
    "      AbortSource   AbortSource   Prepare       Prepare       Prepare       AbortSource   AbortSource     Wait          Wait          ResumeTarget Wait     AbortSource   AbortSource",
  Suspending:
    "    Wait          Wait          Wait          Wait          Wait          Wait          Wait            Wait          Wait          ResumeTarget Wait     Wait          Wait",
  Copying:
    "       Wait          Wait          Wait          Wait          Wait          Wait          Wait            Wait          Wait          ResumeTarget Wait     Wait          Wait",
  StuckCopying:
    "  AbortSource   AbortSource   AbortSource   AbortSource   AbortSource   AbortSource   AbortSource     Wait          Wait          ResumeTarget Wait     AbortSource   AbortSource",
  Gone: "          Wait          AbortSource   AbortSource   AbortTarget   AbortTarget   ResumeTarget  SurrenderTarget ReleaseSource ReleaseSource ResumeTarget Wait     AbortSource   AbortSource",
  HandedOver:
    "    Wait          ReclaimSource Wait          Wait          Wait          Wait          SurrenderTarget Wait          Wait          ResumeTarget Wait     ReclaimSource ReclaimSource",
  HandedOverIdle:
    "Wait          ReclaimSource Wait          Wait          Wait          ResumeTarget  SurrenderTarget ReleaseSource ReleaseSource ResumeTarget Wait     ReclaimSource ReclaimSource",
  HandedOverGone:
    "Wait          Failed        Wait          Wait          Wait          ResumeTarget  SurrenderTarget ReleaseSource ReleaseSource ResumeTarget Wait     Failed        Failed",
  ToldRunning:
    "   Wait          Wait          Wait          Wait          Wait          Wait          Wait            Wait          Wait          ResumeTarget Wait     Wait          Wait",
  ToldRunningIdle:
    "Wait         ReleaseSource Wait          Wait          Wait          Wait          Wait            ReleaseSource ReleaseSource ResumeTarget Wait     Wait          Wait",
  Released:
    "      Succeeded     Succeeded     Succeeded     Succeeded     Succeeded     ResumeTarget  Succeeded       Succeeded     Succeeded     ResumeTarget Wait     Succeeded     Succeeded",
  RollingBack:
    "   Wait          Wait          Wait          Wait          Wait          Wait          Wait            Wait          Wait          ResumeTarget Wait     Wait          Wait",
  RolledBack:
    "    RolledBack    RolledBack    RolledBack    AbortTarget   AbortTarget   DiscardTarget DiscardTarget   Wait          Wait          ResumeTarget Wait     RolledBack    RolledBack",
  RolledBackLost:
    "RolledBack    RolledBack    RolledBack    AbortTarget   AbortTarget   DiscardTarget DiscardTarget   Wait          Wait          ResumeTarget Wait     RolledBack    RolledBack",
};

function named(action: MigrationAction): string {
  return action.do === "Finish" ? action.result : action.do;
}

function eachPair(check: (source: string, target: string, views: { source: SideView; target: SideView }) => void) {
  for (const [source, sourceView] of Object.entries(sources)) {
    for (const [target, targetView] of Object.entries(targets)) {
      check(source, target, { source: sourceView, target: targetView });
    }
  }
}

describe("nextAction", () => {
  it("should have a row for every source", () => {
    expect(Object.keys(table)).to.deep.equal(Object.keys(sources));
  });

  for (const [source, row] of Object.entries(table)) {
    for (const [index, wanted] of row.trim().split(/\s+/).entries()) {
      const target = columns[index] ?? "";
      it(`should answer ${wanted} to source ${source}, target ${target}`, () => {
        const views = { source: sources[source] as SideView, target: targets[target] as SideView };
        expect(named(nextAction({ ...views, aborting: false, stalled: false }))).to.equal(wanted);
      });
    }
  }

  it("should never discard or surrender a target unless the source has rolled back, never began, or handed over", () => {
    for (const aborting of [false, true]) {
      for (const stalled of [false, true]) {
        eachPair((source, target, views) => {
          const action = named(nextAction({ ...views, aborting, stalled }));
          if (action !== "DiscardTarget" || target === "Dropping") return;
          expect(["RolledBack", "RolledBackLost", "Unprepared"], `${source} ${target}`).to.include(source);
        });
      }
    }
  });

  it("should never resume a target while the source may run this epoch, or take it back", () => {
    const mayRun = ["Silent", "Unprepared", "Prepared", "Suspending", "Copying", "StuckCopying", "RollingBack"];
    for (const aborting of [false, true]) {
      for (const stalled of [false, true]) {
        eachPair((source, target, views) => {
          if (target === "Stuck") return;
          const action = named(nextAction({ ...views, aborting, stalled }));
          if (action !== "ResumeTarget") return;
          expect([...mayRun, "RolledBack", "RolledBackLost"], `${source} ${target}`).not.to.include(source);
        });
      }
    }
  });

  it("should never release or reclaim a source before the target runs, or has given up", () => {
    for (const aborting of [false, true]) {
      for (const stalled of [false, true]) {
        eachPair((source, target, views) => {
          const action = named(nextAction({ ...views, aborting, stalled }));
          const pair = `${source} ${target}`;
          const hasRun = target.startsWith("Running") || source.startsWith("ToldRunning");
          if (action === "ReleaseSource") expect(hasRun, pair).to.equal(true);
          if (action === "ReclaimSource") expect(["GivenUp", "RolledBack", "Surrendered"], pair).to.include(target);
        });
      }
    }
  });

  it("should abort only before the hand-over when the wish has changed", () => {
    const aborting = { aborting: true, stalled: false };
    const of = (source: string, target: string) =>
      named(nextAction({ source: sources[source] as SideView, target: targets[target] as SideView, ...aborting }));

    expect(of("Unprepared", "Nothing")).to.equal("RolledBack");
    expect(of("Unprepared", "Prepared")).to.equal("AbortTarget");
    expect(of("Prepared", "Prepared")).to.equal("AbortSource");
    expect(of("Copying", "Copying")).to.equal("AbortSource");
    expect(of("Copying", "Loaded")).to.equal("AbortSource");
    expect(of("HandedOver", "Loaded")).to.equal("Wait");
    expect(of("HandedOverIdle", "Loaded")).to.equal("ResumeTarget");
    expect(of("Released", "Running")).to.equal("Succeeded");
  });

  it("should not wait for ever for agents that say nothing new", () => {
    const stalled = { aborting: false, stalled: true };
    const of = (source: string, target: string) =>
      named(nextAction({ source: sources[source] as SideView, target: targets[target] as SideView, ...stalled }));

    expect(of("HandedOver", "Loaded")).to.equal("ResumeTarget");
    expect(of("HandedOver", "Running")).to.equal("ReleaseSource");
    expect(of("ToldRunning", "Running")).to.equal("ReleaseSource");
    expect(of("Copying", "RolledBack")).to.equal("AbortSource");
    expect(of("RollingBack", "RolledBack")).to.equal("AbortSource");
    expect(of("RolledBack", "Dropping")).to.equal("DiscardTarget");
    expect(of("Copying", "Copying")).to.equal("Wait");
  });
});

describe("targetHolds", () => {
  it("should be true once the target has run, whatever the source says", () => {
    eachPair((source, target, views) => {
      const wanted = target.startsWith("Running") || target === "Stuck" || source === "Released";
      expect(targetHolds(views), `${source} ${target}`).to.equal(wanted);
    });
  });
});
