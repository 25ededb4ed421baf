import type { Reservation, VirtualMachine } from "../../src/api/resources.ts";
import type { Snapshot } from "./snapshot.ts";

const labelWidth = 11;

const legend = `${" ".repeat(labelWidth)}· planned  ▒ suspend  █ copy  ▓ resume  │ start-by  ┃ window  ▼ now`;

/** A stretch of time drawn with one character. Times are milliseconds since 1970. */
interface Bar {
  from: number;
  to: number;
  character: string;
}

/**
 * One row a displaced VM: what is planned (`·`), then how it went: suspend `▒`, copy `█`, resume `▓`; `│` marks the start-by,
 * `┃` the start of the window, `▼` now.
 * @param width characters a row, at least 40
 */
export function timeline(snapshot: Snapshot, width: number): string[] {
  const { reservation, now } = snapshot;
  const status = reservation?.status;
  const moves = status?.plan?.moves;
  if (!reservation || !status?.startBy || !moves || moves.length === 0) return [];

  const startBy = Date.parse(status.vacatingSince ?? status.startBy);
  const window = Date.parse(status.window?.start ?? "");
  const planned = plannedBars(reservation);
  const first = Math.min(startBy, window) - 2000;
  const last = Math.max(window, ...planned.map((bar) => bar.to)) + 4000;
  const columns = Math.max(width, 40) - labelWidth;
  const column = (time: number) => Math.round(((time - first) / (last - first)) * (columns - 1));

  const row = (label: string, bars: Bar[], marks: [number, string][]) => {
    const cells = new Array<string>(columns).fill(" ");
    for (const { from, to, character } of bars) {
      for (let at = Math.max(0, column(from)); at <= Math.min(columns - 1, column(to)); at++) cells[at] = character;
    }
    for (const [time, mark] of marks) {
      const at = column(time);
      if (at >= 0 && at < columns && (cells[at] === " " || mark !== "│")) cells[at] = mark;
    }
    return `${label.padEnd(labelWidth)}${cells.join("")}`;
  };

  const marks: [number, string][] = [
    [startBy, "│"],
    [window, "┃"],
  ];
  const rows = moves.map((move, index) => {
    const vm = snapshot.virtualMachines.find((each) => each.metadata.uid === move.uid);
    const plan = planned[index];
    return row(move.name, [...(plan ? [plan] : []), ...(vm ? measuredBars(vm, startBy, now) : [])], marks);
  });
  return [row("", [], [...marks, [now.getTime(), "▼"]]), ...rows, scale(first, last, columns), legend];
}

/** The moves one after another, or as many at once as the plan says, from the start-by on. */
function plannedBars(reservation: Reservation): Bar[] {
  const status = reservation.status;
  const start = Date.parse(status?.vacatingSince ?? status?.startBy ?? "");
  const lanes = new Array<number>(Math.max(1, status?.plan?.parallelMigrations ?? 1)).fill(start);
  return (status?.plan?.moves ?? []).map((move) => {
    const from = Math.min(...lanes);
    const to = from + (move.predictedMilliseconds ?? 0);
    lanes[lanes.indexOf(from)] = to;
    return { from, to, character: "·" };
  });
}

function measuredBars(vm: VirtualMachine, since: number, now: Date): Bar[] {
  const done = (vm.status?.migrations ?? []).flatMap(({ startedAt, finishedAt, measuredMilliseconds, result }) => {
    const end = Date.parse(finishedAt ?? "");
    const from = Date.parse(startedAt ?? "");
    if (!(from >= since - 1000) || result !== "Succeeded") return [];
    const { suspend = 0, copy = 0, resume = 0 } = measuredMilliseconds ?? {};
    const copied = end - resume;
    return [
      { from, to: copied - copy - suspend, character: "▒" },
      { from: copied - copy - suspend, to: copied - copy, character: "▒" },
      { from: copied - copy, to: copied, character: "█" },
      { from: copied, to: end, character: "▓" },
    ];
  });
  const running = vm.status?.migration;
  if (!running?.startedAt) return done;
  return [...done, { from: Date.parse(running.startedAt), to: now.getTime(), character: "▒" }];
}

function scale(first: number, last: number, columns: number): string {
  const clock = (time: number) => new Date(time).toISOString().slice(11, 19);
  const right = clock(last);
  return `${" ".repeat(labelWidth)}${clock(first).padEnd(columns - right.length)}${right}`;
}
