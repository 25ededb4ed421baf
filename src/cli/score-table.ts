import { formatSeconds } from "../api/duration.ts";
import { percent, textTable } from "../planview/text.ts";
import type { PolicyScore } from "../simulation/run-policy.ts";
import type { Scale } from "../simulation/workload.ts";

/** The scores for a terminal. Ends with a line break. */
export function scoreTable(scale: Scale, leadSeconds: number, scores: readonly PolicyScore[]): string {
  const { days, hosts, virtualMachines, seed } = scale;
  const asked = scores[0]?.asked ?? 0;
  const heading = [
    "POLICY",
    "ADMITTED",
    "ON TIME",
    "LEAD",
    "WORST LEAD",
    "IDLE HOST-HOURS",
    "VM DOWNTIME",
    "MIGRATIONS",
  ];
  const rows = scores.map((score) => [
    score.policy,
    String(score.admitted),
    score.admitted === 0 ? "-" : percent(score.onTimeShare),
    formatSeconds(score.medianLeadSeconds),
    formatSeconds(score.worstLeadSeconds),
    score.idleHostHours.toFixed(2),
    formatSeconds(score.downtimeSeconds),
    String(score.migrations),
  ]);
  return [
    `${days} days, ${hosts} hosts, ${virtualMachines} VMs, seed ${seed}: ${asked} windows asked for, 99% on time wanted`,
    "",
    ...textTable([heading, ...rows], heading.slice(1)),
    "",
    "at once     begins when the reservation is admitted",
    `fixed lead  begins ${formatSeconds(leadSeconds)} before the window`,
    "mean        begins so that the predicted time just fits",
    "quantile    begins so that it fits with the wanted probability: what Vacate does",
    "",
  ].join("\n");
}
