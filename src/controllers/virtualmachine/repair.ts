import type { GuestReport, MigrationReport } from "../../agent/protocol/types.ts";

/**
 * What is known of one side of a migration. `Silent`: its agent does not answer. `GivenUp`: it does not answer, and a
 * person declared this boot of the host out of service (R7).
 */
export type SideView =
  | { kind: "Silent" }
  | { kind: "GivenUp" }
  | { kind: "Answers"; report?: MigrationReport | undefined; guest?: GuestReport | undefined };

export interface MigrationViews {
  source: SideView;
  target: SideView;
  /** The VM is not wanted on the target any more: stop before the hand-over if that is still possible. */
  aborting: boolean;
  /** Nothing has changed at either agent for a while, though one says it is at work. */
  stalled: boolean;
}

export type MigrationResult = "Succeeded" | "RolledBack" | "Failed";

/**
 * What the operator does next for a recorded migration. `Finish` is the end: everything left is bookkeeping. `Prepare`
 * stands for prepare on the source, prepare on the target, and begin.
 */
export type MigrationAction =
  | { do: "Wait"; why: string }
  | { do: "Prepare" }
  | { do: "AbortSource" }
  | { do: "AbortTarget" }
  | { do: "DiscardTarget" }
  | { do: "ResumeTarget" }
  | { do: "ReleaseSource" }
  | { do: "SurrenderTarget" }
  | { do: "ReclaimSource" }
  | { do: "Finish"; result: MigrationResult };

/**
 * What a side's answer amounts to. `Nothing`: neither a record nor a guest. `Unprepared`: the guest, but no record.
 * `Gone`: the state is lost before the hand-over (source), or after the vote and before it ever ran (target).
 */
type SourceState =
  | "Silent"
  | "GivenUp"
  | "Nothing"
  | "Unprepared"
  | "Prepared"
  | "Moving"
  | "Gone"
  | "HandedOver"
  | "HandedOverGone"
  | "ToldRunning"
  | "Released"
  | "RolledBack";

type TargetState =
  | "Silent"
  | "GivenUp"
  | "Nothing"
  | "Preparing"
  | "Loaded"
  | "LoadedGone"
  | "Running"
  | "RolledBack"
  | "Surrendered";

/**
 * Decides by design.md §4, R3 to R7, from what both agents say and nothing else, so that an operator that has just
 * started decides as the one before it.
 */
export function nextAction(views: MigrationViews): MigrationAction {
  const target = targetState(views.target);
  const source = sourceState(views.source);
  switch (source) {
    case "Silent":
      return wait("the source does not answer");
    case "Nothing":
    case "Gone":
    case "GivenUp":
      return withoutSource(source, target);
    case "Unprepared":
    case "Prepared":
      return beforeStart(source, target, views.aborting);
    case "Moving":
      return whileMoving(views, target);
    case "HandedOver":
    case "HandedOverGone":
      return afterHandOver(source, target, idle(views));
    case "ToldRunning":
      return afterRunning(target, idle(views));
    case "Released":
      return target === "Loaded" ? { do: "ResumeTarget" } : { do: "Finish", result: "Succeeded" };
    case "RolledBack":
      return afterRollBack(target);
  }
}

/** Whether the target is known to run, or to have run, the guest: then it is the holder, whatever the source says. */
export function targetHolds(views: Pick<MigrationViews, "source" | "target">): boolean {
  return targetState(views.target) === "Running" || sourceState(views.source) === "Released";
}

function wait(why: string): MigrationAction {
  return { do: "Wait", why };
}

function sourceState(view: SideView): SourceState {
  if (view.kind !== "Answers") return view.kind;
  const { report, guest } = view;
  const lost = guest === undefined || guest.state === "Lost" || guest.state === "Crashed";
  if (!report) {
    if (guest === undefined) return "Nothing";
    if (lost) return "Gone";
    return guest.state === "Suspended" || guest.state === "HandedOver" ? "Moving" : "Unprepared";
  }
  switch (report.step) {
    case "RolledBack":
    case "Released":
      return report.step;
    case "Running":
      return "ToldRunning";
    case "HandedOver":
      return lost ? "HandedOverGone" : "HandedOver";
    case "Prepared":
      return lost ? "Gone" : "Prepared";
    default:
      return lost ? "Gone" : "Moving";
  }
}

function targetState(view: SideView): TargetState {
  if (view.kind !== "Answers") return view.kind;
  const { report, guest } = view;
  if (!report) return guest?.state === "Running" ? "Running" : "Nothing";
  switch (report.step) {
    case "Loaded":
      return guest?.state === "Incoming" ? "Loaded" : "LoadedGone";
    case "Running":
    case "RolledBack":
    case "Surrendered":
      return report.step;
    default:
      return "Preparing";
  }
}

/** Neither agent is at work on it any more. */
function idle(views: MigrationViews): boolean {
  const settled = (view: SideView) => view.kind === "Answers" && view.report?.settled === true;
  return views.stalled || settled(views.source);
}

function beforeStart(source: "Unprepared" | "Prepared", target: TargetState, aborting: boolean): MigrationAction {
  switch (target) {
    case "Running":
      return wait("both hosts say that they run it; a person has to look");
    case "Nothing":
    case "Preparing":
      if (!aborting) return { do: "Prepare" };
      break;
  }
  if (source === "Prepared") return { do: "AbortSource" };
  return afterRollBack(target);
}

function whileMoving(views: MigrationViews, target: TargetState): MigrationAction {
  const settled = views.source.kind === "Answers" && views.source.report?.settled === true;
  if (target === "Running") return wait("the target runs it before the source handed it over; a person has to look");
  if (views.aborting || settled) return { do: "AbortSource" };
  return wait("the agents are at work");
}

function afterHandOver(source: "HandedOver" | "HandedOverGone", target: TargetState, idle: boolean): MigrationAction {
  switch (target) {
    case "Loaded":
      return idle ? { do: "ResumeTarget" } : wait("the target is about to resume it");
    case "Running":
      return idle ? { do: "ReleaseSource" } : wait("the source is about to release it");
    case "LoadedGone":
      return { do: "SurrenderTarget" };
    case "GivenUp":
    case "Surrendered":
    case "RolledBack":
      return source === "HandedOver" ? { do: "ReclaimSource" } : { do: "Finish", result: "Failed" };
    case "Silent":
      return wait("the target does not answer and may run it");
    default:
      return wait("the target has no record of what it voted for; a person has to look");
  }
}

function afterRunning(target: TargetState, idle: boolean): MigrationAction {
  switch (target) {
    case "Running":
      return idle ? { do: "ReleaseSource" } : wait("the source is about to release it");
    case "GivenUp":
      return { do: "ReclaimSource" };
    default:
      return wait("the target does not say that it runs it");
  }
}

function afterRollBack(target: TargetState): MigrationAction {
  switch (target) {
    case "Preparing":
      return { do: "AbortTarget" };
    case "Loaded":
    case "LoadedGone":
      return { do: "DiscardTarget" };
    case "Running":
      return wait("both hosts say that they run it; a person has to look");
    default:
      return { do: "Finish", result: "RolledBack" };
  }
}

/** The source's state is lost, or the whole host: forward if the target voted (R5), else it is a crash. */
function withoutSource(source: "Nothing" | "Gone" | "GivenUp", target: TargetState): MigrationAction {
  switch (target) {
    case "Loaded":
      return { do: "ResumeTarget" };
    case "Running":
      return source === "Gone" ? { do: "ReleaseSource" } : { do: "Finish", result: "Succeeded" };
    case "LoadedGone":
      return { do: "SurrenderTarget" };
    case "Preparing":
      return { do: "AbortTarget" };
    case "Silent":
      return wait("the target does not answer and may hold the only state");
    default:
      return { do: "Finish", result: "Failed" };
  }
}
