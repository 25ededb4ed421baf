import { formatSeconds } from "../../src/api/duration.ts";
import type { VirtualMachine } from "../../src/api/resources.ts";
import { conditionStatus, type Snapshot } from "./snapshot.ts";

/** Aligns rows of cells into columns. The first row is the heading. */
export function table(rows: string[][]): string[] {
  const widths = rows.reduce<number[]>((all, row) => {
    row.forEach((cell, index) => {
      all[index] = Math.max(all[index] ?? 0, cell.length);
    });
    return all;
  }, []);
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

export function hostTable({ hosts, virtualMachines }: Snapshot): string[] {
  const rows = hosts.map((host) => {
    const name = host.metadata.name;
    const here = virtualMachines.filter((vm) => vm.status?.hostName === name).map((vm) => vm.metadata.name);
    const ready = host.status?.conditions?.find(({ type }) => type === "Ready");
    const hold = host.status?.holds?.[0]?.reservation.name;
    return [name, ready?.status === "True" ? "yes" : (ready?.reason ?? "?"), hold ?? "-", here.join(" ") || "(free)"];
  });
  return table([["HOST", "READY", "HELD BY", "VIRTUAL MACHINES"], ...rows]);
}

export function virtualMachineTable({ virtualMachines }: Snapshot): string[] {
  const rows = virtualMachines.map((vm) => {
    const { phase = "Pending", hostName = "-", migration } = vm.status ?? {};
    const where = migration ? `${migration.from} → ${migration.to}` : hostName;
    return [vm.metadata.name, vm.spec.memory, where, phase, migration ? progressBar(migration) : lastMove(vm)];
  });
  return table([["VM", "MEMORY", "HOST", "PHASE", "MOVE"], ...rows]);
}

type RunningMigration = NonNullable<NonNullable<VirtualMachine["status"]>["migration"]>;

function progressBar({ bytesDone = 0, bytesTotal = 0, predictedMilliseconds }: RunningMigration): string {
  const share = bytesTotal > 0 ? Math.min(1, bytesDone / bytesTotal) : 0;
  const filled = Math.round(share * 20);
  const predicted = seconds(predictedMilliseconds?.total);
  return `${"█".repeat(filled)}${"░".repeat(20 - filled)} ${Math.round(share * 100)}%, predicted ${predicted}`;
}

function lastMove(vm: VirtualMachine): string {
  const last = vm.status?.migrations?.[0];
  if (!last) return "";
  if (last.result !== "Succeeded") return `${last.result}: ${last.reason ?? ""}`;
  return `moved in ${seconds(last.measuredMilliseconds?.total)}, predicted ${seconds(last.predictedMilliseconds?.total)}`;
}

/** The reservation in two lines: what it is about, and how it stands. */
export function reservationLines({ reservation, now }: Snapshot): string[] {
  if (!reservation) return [];
  const { status, spec } = reservation;
  const untilWindow = (Date.parse(status?.window?.start ?? spec.window.start ?? "") - now.getTime()) / 1000;
  const window =
    untilWindow >= 0 ? `opens in ${formatSeconds(untilWindow)}` : `opened ${formatSeconds(-untilWindow)} ago`;
  const untilStart = status?.startBy ? (Date.parse(status.startBy) - now.getTime()) / 1000 : undefined;
  const parts = [
    `phase ${status?.phase ?? "Pending"}`,
    `window ${window}`,
    ...(untilStart !== undefined && untilStart > 0 ? [`starts to vacate in ${formatSeconds(untilStart)}`] : []),
    ...(status?.onTimeProbability ? [`on time ${status.onTimeProbability}`] : []),
    ...(status?.progress?.summary ? [`moved ${status.progress.summary}`] : []),
  ];
  const plan = status?.plan;
  const predicted = plan
    ? `predicted total ${seconds(plan.predictedMilliseconds)}, allowance ${seconds(plan.allowanceMilliseconds)} (confidence ${plan.confidence ?? "?"})`
    : (status?.conditions?.find(({ type, status: value }) => type === "Admitted" && value === "False")?.message ??
      "no plan yet");
  const risk = conditionStatus(reservation, "AtRisk") === "True" ? ["AT RISK"] : [];
  return [`reservation ${reservation.metadata.name}: ${[...parts, ...risk].join(" · ")}`, predicted];
}

/** Seconds with two decimals, `-` when not known. */
export function seconds(milliseconds: number | undefined): string {
  return milliseconds === undefined ? "-" : `${(milliseconds / 1000).toFixed(2)}s`;
}
