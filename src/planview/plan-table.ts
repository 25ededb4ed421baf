import { formatSeconds } from "../api/duration.ts";
import { formatBytes, formatMemory } from "../api/quantity.ts";
import type { MoveView, PlanView } from "./plan-view.ts";
import { percent, plural, textTable, time } from "./text.ts";

const mostOtherHosts = 12;

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
    ...view.warnings.map((warning): [string, string] => ["warning", warning]),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
  return `${[...lines, "", ...moveLines(view.moves), "", ...hostLines(view)].join("\n")}\n`;
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

/** Why these hosts and not others: those chosen, and the next ones by what they would have cost. */
function hostLines({ explanation }: PlanView): string[] {
  const { hosts } = explanation;
  const rows = hosts.slice(0, hosts.filter(({ isChosen }) => isChosen).length + mostOtherHosts);
  const lines = rows.map(({ host, isChosen, displaced, seconds, reason }) => [
    host,
    isChosen ? "yes" : "no",
    displaced === undefined ? "" : String(displaced),
    seconds === undefined ? "" : formatSeconds(seconds),
    reason,
  ]);
  const table = textTable([["HOST", "CHOSEN", "VMS", "WOULD TAKE", "WHY"], ...lines], ["VMS", "WOULD TAKE"]);
  const more = hosts.length - rows.length;
  return more > 0 ? [...table, `and ${plural(more, "more host")}; -o json has them all`] : table;
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
