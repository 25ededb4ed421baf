import type { Reservation, VirtualMachine } from "../../src/api/resources.ts";
import { seconds, table } from "./tables.ts";

interface Phases {
  suspend?: number;
  copy?: number;
  resume?: number;
  total?: number;
}

/** How one displaced VM fared. Times in milliseconds. */
export interface MoveScore {
  name: string;
  from: string;
  to: string;
  stateBytes: number | undefined;
  predictedMilliseconds: Phases;
  measuredMilliseconds: Phases;
  downtimeMilliseconds: number | undefined;
}

/** What the guest itself says: its counter, before the first move and at the end. */
export interface GuestProof {
  name: string;
  counterBefore: number;
  counterAfter: number;
  /** Whether its counter never went back or started again, and its memory and disk checks held. */
  whole: boolean;
  /** The same in words. */
  finding: string;
}

export interface Score {
  result: string | undefined;
  leadMilliseconds: number | undefined;
  predictedMilliseconds: number | undefined;
  measuredMilliseconds: number | undefined;
  allowanceMilliseconds: number | undefined;
  moves: MoveScore[];
  guests: GuestProof[];
  /** The hosts were free before the window, and every guest survived. */
  passed: boolean;
}

export function scoreOf(reservation: Reservation, vms: VirtualMachine[], guests: GuestProof[]): Score {
  const { outcome, plan } = reservation.status ?? {};
  const vacated = Date.parse(outcome?.vacatedAt ?? "");
  const moves = (plan?.moves ?? []).flatMap((move) => {
    const vm = vms.find(({ metadata }) => metadata.uid === move.uid);
    // Newest first: the way out is the last one that ended before the hosts were free, whatever came afterwards.
    const migration = vm?.status?.migrations?.find(
      ({ finishedAt, result, from }) =>
        Date.parse(finishedAt ?? "") <= vacated + 1000 && result === "Succeeded" && from === move.from,
    );
    return migration ? [moveScore(move.name, migration)] : [];
  });
  const everyMoveDone = moves.length === (plan?.moves ?? []).length;
  return {
    result: outcome?.result,
    leadMilliseconds: outcome?.leadMilliseconds,
    predictedMilliseconds: outcome?.predictedMilliseconds,
    measuredMilliseconds: outcome?.measuredMilliseconds,
    allowanceMilliseconds: plan?.allowanceMilliseconds,
    moves,
    guests,
    passed: outcome?.result === "OnTime" && everyMoveDone && guests.length > 0 && guests.every(({ whole }) => whole),
  };
}

type FinishedMigration = NonNullable<NonNullable<VirtualMachine["status"]>["migrations"]>[number];

function moveScore(name: string, migration: FinishedMigration): MoveScore {
  return {
    name,
    from: migration.from,
    to: migration.to,
    stateBytes: migration.stateBytes,
    predictedMilliseconds: migration.predictedMilliseconds ?? {},
    measuredMilliseconds: migration.measuredMilliseconds ?? {},
    downtimeMilliseconds: migration.downtimeMilliseconds,
  };
}

/** The score as people read it: predicted against measured by VM and phase, the total, the lead and the guests' own proof. */
export function scoreLines(score: Score): string[] {
  const pair = (move: MoveScore, phase: keyof Phases) =>
    `${seconds(move.predictedMilliseconds[phase])} / ${seconds(move.measuredMilliseconds[phase])}`;
  const moves = score.moves.map((move) => [
    move.name,
    `${move.from} → ${move.to}`,
    move.stateBytes === undefined ? "-" : `${(move.stateBytes / 2 ** 20).toFixed(0)} MiB`,
    pair(move, "suspend"),
    pair(move, "copy"),
    pair(move, "resume"),
    pair(move, "total"),
    seconds(move.downtimeMilliseconds),
  ]);
  const guests = score.guests.map(({ name, counterBefore, counterAfter, finding }) => [
    name,
    `${counterBefore} → ${counterAfter}`,
    finding,
  ]);
  const late = (score.leadMilliseconds ?? 0) < 0;
  return [
    "Predicted / measured",
    ...table([["VM", "MOVE", "STATE", "SUSPEND", "COPY", "RESUME", "TOTAL", "DOWNTIME"], ...moves]),
    "",
    `All moves: predicted ${seconds(score.predictedMilliseconds)}, measured ${seconds(score.measuredMilliseconds)}, ` +
      `time set aside ${seconds(score.allowanceMilliseconds)}`,
    `Hosts free: ${score.result ?? "never"}, ${seconds(Math.abs(score.leadMilliseconds ?? 0))} ${late ? "after" : "before"} the window`,
    "",
    "The guests' own counters",
    ...table([["VM", "COUNTER", "VERDICT"], ...guests]),
  ];
}
