import type { Clock } from "../api/clock.ts";
import { sourceOrders, targetOrders } from "./migration-orders.ts";
import type { SimulatedAgent } from "./simulated-agent.ts";
import type { MigrationDurations } from "./simulated-hosts.ts";

/** What the two agents do with each other once begun, in this order. */
export const transferSteps = [
  "Suspending",
  "Suspended",
  "CopiedHalf",
  "CopiedAll",
  "Loaded",
  "HandedOver",
  "Running",
  "ToldRunning",
  "Released",
] as const;
export type TransferStep = (typeof transferSteps)[number];

/** One migration between two simulated agents, step by step. */
export class SimulatedTransfer {
  readonly source: SimulatedAgent;
  readonly target: SimulatedAgent;
  readonly id: string;
  readonly durations: MigrationDurations;
  #done = 0;
  #broken = false;

  constructor(source: SimulatedAgent, target: SimulatedAgent, id: string, durations: MigrationDurations) {
    this.source = source;
    this.target = target;
    this.id = id;
    this.durations = durations;
  }

  /** Goes through all steps in their time, until the end or until it breaks. */
  async run(clock: Clock): Promise<void> {
    const { suspendMilliseconds, copyMilliseconds, resumeMilliseconds } = this.durations;
    const waits: Partial<Record<TransferStep, number>> = {
      Suspended: suspendMilliseconds,
      CopiedHalf: copyMilliseconds / 2,
      CopiedAll: copyMilliseconds / 2,
      Running: resumeMilliseconds,
    };
    for (const step of transferSteps.slice(this.#done)) {
      const wait = waits[step];
      if (wait !== undefined) await clock.sleep(wait);
      if (this.step() === undefined) return;
    }
  }

  /** Does the next step and names it; undefined when there is none. */
  step(): TransferStep | undefined {
    const step = this.#broken ? undefined : transferSteps[this.#done];
    if (step === undefined) return undefined;
    this.#done++;
    this.#effects[step]();
    return step;
  }

  /**
   * The way between the agents breaks. The source rolls back unless the guest was handed over (at once, as if its
   * lease were over, or never); a target that has not voted gives up.
   */
  break(options: { lease?: "never" } = {}): void {
    if (this.#broken || this.#done === transferSteps.length) return;
    this.#broken = true;
    const [source, target] = [this.source.reports.get(this.id), this.target.reports.get(this.id)];
    const handedOver = source?.step === "HandedOver" || source?.step === "Running";
    if (source && handedOver) this.source.setReport(this.id, { settled: true });
    else if (source && options.lease !== "never") sourceOrders.rollBack(this.source, source, "CopyFailed");
    if (!target) return;
    if (target.step === "Prepared" || target.step === "Copying") {
      targetOrders.discard(this.target, target, "RolledBack");
    } else {
      this.target.setReport(this.id, { settled: true });
    }
  }

  readonly #effects: Record<TransferStep, () => void> = {
    Suspending: () => void this.source.setReport(this.id, { step: "Suspending" }),
    Suspended: () => {
      const { suspendMilliseconds } = this.durations;
      this.source.setGuest(this.#uid, { state: "Suspended" });
      this.source.setReport(this.id, { step: "Copying", measured: { suspendMilliseconds } });
      this.target.setReport(this.id, { step: "Copying" });
    },
    CopiedHalf: () => this.#copied(0.5),
    CopiedAll: () => this.#copied(1),
    Loaded: () => {
      const { copyMilliseconds } = this.durations;
      this.target.setReport(this.id, { step: "Loaded" });
      this.source.setReport(this.id, { measured: { copyMilliseconds } });
    },
    HandedOver: () => {
      this.source.setGuest(this.#uid, { state: "HandedOver" });
      this.source.setReport(this.id, { step: "HandedOver" });
    },
    Running: () => {
      const report = this.target.reports.get(this.id);
      if (report) targetOrders.resume(this.target, report);
    },
    ToldRunning: () => {
      const { suspendMilliseconds, copyMilliseconds, resumeMilliseconds } = this.durations;
      const downtimeMilliseconds = suspendMilliseconds + copyMilliseconds + resumeMilliseconds;
      this.source.setReport(this.id, { step: "Running", measured: { downtimeMilliseconds } });
    },
    Released: () => {
      const report = this.source.reports.get(this.id);
      if (report) sourceOrders.release(this.source, report);
    },
  };

  /** Whether the VM runs on the target and nothing is left on the source. */
  get isComplete(): boolean {
    return !this.#broken && this.#done === transferSteps.length;
  }

  get #uid(): string {
    return this.source.reports.get(this.id)?.uid ?? "";
  }

  #copied(share: number): void {
    for (const agent of [this.source, this.target]) {
      const bytesTotal = agent.reports.get(this.id)?.bytesTotal ?? 0;
      agent.setReport(this.id, { bytesDone: Math.round(bytesTotal * share) });
    }
  }
}
