import { formatSeconds } from "../api/duration.ts";
import { formatBytes, formatMemory } from "../api/quantity.ts";
import type { MoveView, PlanView } from "./plan-view.ts";
import { percent, plural, textTable, time } from "./text.ts";

/** The plan for a terminal: what was asked, the quote, and every move. Ends with a line break. */
export function planTable(view: PlanView): string {
  const length = (view.windowEnd.getTime() - view.windowStart.getTime()) / 1000;
  const facts: [string, string][] = [
    ["reservation", view.reservation],
    ["feasible", "yes"],
    ["hosts", view.hosts.join(", ")],
    ["window", `${time(view.windowStart)}, ${formatSeconds(length)} long`],
    ["start-by", `${time(view.startBy)}, ${formatSeconds(view.allowanceSeconds)} before the window${lateness(view)}`],
    ["on time", `${percent(view.onTimeProbability)} expected, ${percent(view.onTimeTarget)} wanted`],
    ["predicted", predictedText(view)],
    ["downtime", `${formatSeconds(view.downtimeSeconds)} of all VMs together`],
    ["earliest start", `${time(view.earliestStart)}, if vacating began now`],
    ["plan", view.planHash],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
  return `${[...lines, "", ...moveLines(view.moves)].join("\n")}\n`;
}

/** A refusal for a terminal. Ends with a line break. */
export function refusalText(reservation: string, refusal: { reason: string; message: string }): string {
  return `reservation  ${reservation}\nfeasible     no: ${refusal.reason}\n\n${refusal.message}\n`;
}

function lateness({ now, startBy }: PlanView): string {
  const late = (now.getTime() - startBy.getTime()) / 1000;
  return late > 0 ? `; that was ${formatSeconds(late)} ago, so it begins at once` : "";
}

function predictedText({ moves, predictedSeconds, parallelMigrations, confidence }: PlanView): string {
  if (moves.length === 0) return "nothing to move";
  const atOnce = parallelMigrations === 1 ? "one after another" : `${parallelMigrations} at once`;
  return `${formatSeconds(predictedSeconds)} for ${plural(moves.length, "VM")}, ${atOnce} (confidence ${confidence})`;
}

function moveLines(moves: readonly MoveView[]): string[] {
  if (moves.length === 0) return ["no VM has to leave these hosts"];
  const heading = [
    "#",
    "VM",
    "FROM",
    "TO",
    "MEMORY",
    "STATE",
    "BEGINS",
    "SUSPEND",
    "COPY",
    "RESUME",
    "TOTAL",
    "ENDS BY",
  ];
  const rows = moves.map((move, index) => [
    String(index + 1),
    move.vm,
    move.from,
    move.to,
    formatMemory(move.memoryBytes),
    formatBytes(move.stateBytes),
    `+${formatSeconds(move.beginSeconds)}`,
    formatSeconds(move.suspendSeconds),
    formatSeconds(move.copySeconds),
    formatSeconds(move.resumeSeconds),
    formatSeconds(move.totalSeconds),
    `+${formatSeconds(move.latestEndSeconds)}`,
  ]);
  return textTable([heading, ...rows], ["#", "MEMORY", "STATE", ...heading.slice(6)]);
}
