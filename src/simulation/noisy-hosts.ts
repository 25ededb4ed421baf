import type { MigrationReport } from "../agent/protocol/types.ts";
import type { Clock } from "../api/clock.ts";
import { drawn, noiseFactor } from "./random.ts";
import { type AgentCall, SimulatedAgent } from "./simulated-agent.ts";
import { type MigrationDurations, SimulatedHosts, type Way } from "./simulated-hosts.ts";
import type { SimulatedTransfer } from "./simulated-transfer.ts";
import type { Workload } from "./workload.ts";

const suspendBytesPerSecond = 1.2e9;
const copyBytesPerSecond = 0.85 * 125e6;
const resumeBytesPerSecond = 3e9;
/** One suspend in a hundred takes ten times as long, as on real hosts. */
const slowSuspendShare = 0.01;
const slowSuspendFactor = 10;
/** Within three days links get slower by 15 % and faster again. */
const driftShare = 0.15;
const driftMilliseconds = 3 * 86_400_000;
/** Of a VM's memory, so much is state, by VM; it changes by the hour. */
const [leastState, mostState] = [0.15, 0.8];
const hourMilliseconds = 3_600_000;

/** Hosts whose migrations take the time that real ones take: with a base, by size, with noise, outliers, drift and shared links. */
export class NoisyHosts extends SimulatedHosts {
  readonly #seed: number;
  readonly #active = new Set<SimulatedTransfer>();
  readonly #moves = new Map<string, number>();
  #hour: number | undefined;
  #migrations = 0;
  #downtimeMilliseconds = 0;

  constructor(clock: Clock, seed: number) {
    super(clock);
    this.#seed = seed;
  }

  /** Migrations that have ended, and for how long their VMs stood still. */
  get totals(): { migrations: number; downtimeMilliseconds: number } {
    return { migrations: this.#migrations, downtimeMilliseconds: this.#downtimeMilliseconds };
  }

  add(hostName: string, size: Workload["hostSize"]): void {
    this.agents.set(hostName, new SimulatedAgent(this, hostName, size));
  }

  /** Gives every guest the state that it has at this hour; does so once an hour. */
  refreshStates(): void {
    const hour = Math.floor(this.clock.now().getTime() / hourMilliseconds);
    if (hour === this.#hour) return;
    this.#hour = hour;
    for (const agent of this.agents.values()) {
      for (const [uid, guest] of agent.held) {
        if (guest.state !== "Running" || guest.migrationId !== undefined) continue;
        const share = leastState + (mostState - leastState) * drawn(this.#seed, "state", guest.name);
        const now = Math.min(1, share * noiseFactor(0.1, this.#seed, "state", guest.name, hour));
        agent.held.set(uid, { ...guest, stateBytes: Math.round(now * guest.memoryBytes) });
      }
    }
  }

  override answerMilliseconds(call: AgentCall): number {
    const now = this.clock.now().getTime();
    if (call === "prepareTarget") return Math.round(800 * noiseFactor(0.15, this.#seed, call, now));
    if (call === "prepareSource" || call === "beginMigration") return 40;
    return 0;
  }

  protected override drawDurations({ uid, bytesTotal }: MigrationReport, way?: Way): MigrationDurations {
    // By VM and how often it has moved: the same noise under every policy.
    const words = [this.#seed, uid, this.#moves.get(uid) ?? 0];
    const noise = (spread: number, phase: string) => noiseFactor(spread, phase, ...words);
    const isSlow = drawn("slow", ...words) < slowSuspendShare;
    const suspend = (0.35 + bytesTotal / suspendBytesPerSecond) * noise(0.12, "suspend");
    const copy = (0.2 + bytesTotal / copyBytesPerSecond) * noise(0.04, "copy") * this.#slowness() * this.#sharing(way);
    const resume = (0.25 + bytesTotal / resumeBytesPerSecond) * noise(0.15, "resume");
    this.#moves.set(uid, (this.#moves.get(uid) ?? 0) + 1);
    return {
      suspendMilliseconds: Math.round(1000 * suspend * (isSlow ? slowSuspendFactor : 1)),
      copyMilliseconds: Math.round(1000 * copy),
      resumeMilliseconds: Math.round(1000 * resume),
    };
  }

  protected override begun(transfer: SimulatedTransfer): void {
    this.#active.add(transfer);
    void transfer.run(this.clock).then(() => {
      this.#active.delete(transfer);
      this.transfers.delete(transfer.id);
      if (!transfer.isComplete) return;
      const { suspendMilliseconds, copyMilliseconds, resumeMilliseconds } = transfer.durations;
      this.#migrations++;
      this.#downtimeMilliseconds += suspendMilliseconds + copyMilliseconds + resumeMilliseconds;
    });
  }

  #slowness(): number {
    const phase = (2 * Math.PI * this.clock.now().getTime()) / driftMilliseconds;
    return 1 + (driftShare / 2) * (1 + Math.sin(phase));
  }

  /** How many migrations share the busier of the two links, this one included. */
  #sharing(way: Way | undefined): number {
    const others = [...this.#active];
    const from = others.filter(({ source }) => source === way?.source).length;
    const to = others.filter(({ target }) => target === way?.target).length;
    return 1 + Math.max(from, to);
  }
}
