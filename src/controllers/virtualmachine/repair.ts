import { agentReasons, type GuestReport, type MigrationReport } from "../../agent/protocol/types.ts";

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
 * `Gone`: the state is lost before the hand-over (`GoneUnrecorded`: without a record). `RollingBack`: decided, and not
 * carried out yet.
 */
type SourceState =
  | "Silent"
  | "GivenUp"
  | "Nothing"
  | "Unprepared"
  | "Prepared"
  | "Moving"
  | "Gone"
  | "GoneUnrecorded"
  | "RollingBack"
  | "HandedOver"
  | "HandedOverGone"
  | "ToldRunning"
  | "Released"
  | "RolledBack";

/**
 * `LoadedGone`: it voted, and lost what it had before it ever ran. `Stuck`: `running` is in its journal, so nobody else
 * may run it, but its process waits for another order to go on.
 */
type TargetState =
  | "Silent"
  | "GivenUp"
  | "Nothing"
  | "Preparing"
  | "Loaded"
  | "LoadedGone"
  | "Running"
  | "Stuck"
  | "Dropping"
  | "RolledBack"
  | "Surrendered";

/**
 * Decides by design.md §4, R3 to R7, from what both agents say and nothing else, so that an operator that has just
 * started decides as the one before it.
 */
export function nextAction(views: MigrationViews): MigrationAction {
  const target = targetState(views.target);
  const source = sourceState(views.source);
  if (target === "Stuck") return { do: "ResumeTarget" };
  if (target === "Dropping" && !views.stalled) return wait("the target is dropping what it has");
  switch (source) {
    case "Silent":
      return wait("the source does not answer");
    case "RollingBack":
      return views.stalled ? { do: "AbortSource" } : wait("the source is taking it back");
    case "Nothing":
    case "Gone":
    case "GoneUnrecorded":
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
  const target = targetState(views.target);
  return target === "Running" || target === "Stuck" || sourceState(views.source) === "Released";
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
    if (lost) return "GoneUnrecorded";
    return guest.state === "Suspended" || guest.state === "HandedOver" ? "Moving" : "Unprepared";
  }
  switch (report.step) {
    case "RolledBack":
      return report.settled ? "RolledBack" : "RollingBack";
    case "Released":
      return "Released";
    case "Running":
      return "ToldRunning";
    case "HandedOver":
      return guest === undefined ? "HandedOverGone" : "HandedOver";
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
      return guest?.state === "Incoming" && report.reason !== agentReasons.StateLost ? "Loaded" : "LoadedGone";
    case "Running":
      return guest?.state === "Suspended" ? "Stuck" : "Running";
    case "RolledBack":
    case "Surrendered":
      return report.settled ? report.step : "Dropping";
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
  // The source would find out when its lease ends; its guest stands still until then.
  const isInVain =
    target === "Nothing" || target === "LoadedGone" || target === "RolledBack" || target === "Surrendered";
  if (views.stalled && isInVain) return { do: "AbortSource" };
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
      // It ran there, and the source is bound to let go: started anew from then on, by the VM's own policy (R6).
      return idle ? { do: "ReleaseSource" } : wait("the source is about to release it");
    default:
      return wait("the target does not say that it runs it");
  }
}

function afterRollBack(target: TargetState): MigrationAction {
  switch (target) {
    case "Dropping":
      return { do: "DiscardTarget" };
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
function withoutSource(
  source: "Nothing" | "Gone" | "GoneUnrecorded" | "GivenUp",
  target: TargetState,
): MigrationAction {
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
    case "Dropping":
      return { do: "DiscardTarget" };
    default:
      // A record that is left would keep the guest from being started anew.
      return source === "Gone" ? { do: "AbortSource" } : { do: "Finish", result: "Failed" };
  }
}
