import type { StartRule } from "../controllers/reservation/view.ts";

/** When to begin to vacate: the product's own way, and what people do without it. */
export interface Policy {
  name: string;
  /** Absent: as the product does. */
  startRule?: StartRule;
}

/** @param leadSeconds of the fixed lead; above zero */
export function policies(leadSeconds: number): Policy[] {
  return [
    { name: "at once", startRule: (_plan, windowStart, now) => (windowStart.getTime() - now.getTime()) / 1000 },
    { name: "fixed lead", startRule: () => leadSeconds },
    { name: "mean", startRule: (plan) => plan.duration.meanSeconds },
    { name: "quantile" },
  ];
}
