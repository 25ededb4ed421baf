import type { AgentClient } from "../agent/protocol/client.ts";
import type { AgentEvent, MigrationReport } from "../agent/protocol/types.ts";
import type { Clock } from "../api/clock.ts";
import type { HostConnection, HostSettings } from "../hosts/host-agents.ts";
import type { AgentCall, SimulatedAgent } from "./simulated-agent.ts";
import { SimulatedTransfer } from "./simulated-transfer.ts";

export interface MigrationDurations {
  suspendMilliseconds: number;
  copyMilliseconds: number;
  resumeMilliseconds: number;
}

/** Between which hosts. */
export type Way = Pick<SimulatedTransfer, "source" | "target">;

type EventListener = (hostName: string, event: AgentEvent) => void;
type ConnectionListener = (hostName: string, connection: HostConnection) => void;

/** The operator's connections to several agents in memory, and the ways between those. Migrations take their time on the clock. */
export abstract class SimulatedHosts {
  readonly clock: Clock;
  /** What the controller asked to be connected, by host. */
  readonly settings = new Map<string, HostSettings>();
  protected readonly agents = new Map<string, SimulatedAgent>();
  protected readonly transfers = new Map<string, SimulatedTransfer>();
  readonly #eventListeners = new Set<EventListener>();
  readonly #connectionListeners = new Set<ConnectionListener>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** How long the phases of a migration are to take. Asked once for each, when it begins. */
  protected abstract drawDurations(report: MigrationReport, way?: Way): MigrationDurations;

  /** How long an agent takes to answer such a call. */
  answerMilliseconds(_call: AgentCall): number {
    return 0;
  }

  // --- as HostAgents -----------------------------------------------------------------------------------------------

  ensure(hostName: string, settings: HostSettings): void {
    this.settings.set(hostName, settings);
  }

  remove(hostName: string): void {
    this.settings.delete(hostName);
  }

  agent(hostName: string): AgentClient | undefined {
    const agent = this.agents.get(hostName);
    return agent?.connected ? agent : undefined;
  }

  connection(hostName: string): HostConnection | undefined {
    const agent = this.agents.get(hostName);
    if (!agent) return this.settings.has(hostName) ? { state: "Connecting" } : undefined;
    if (agent.connected) return { state: "Connected" };
    return { state: "Failed", reason: "ConnectionLost", message: `the connection to ${hostName} was lost` };
  }

  onEvent(listener: EventListener): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  onConnectionChange(listener: ConnectionListener): () => void {
    this.#connectionListeners.add(listener);
    return () => this.#connectionListeners.delete(listener);
  }

  // --- for the agents ----------------------------------------------------------------------------------------------

  emit(hostName: string, event: AgentEvent): void {
    if (!this.agents.get(hostName)?.connected) return;
    for (const listener of this.#eventListeners) listener(hostName, event);
  }

  connectionChanged(hostName: string): void {
    const connection = this.connection(hostName);
    if (!connection) return;
    for (const listener of this.#connectionListeners) listener(hostName, connection);
  }

  beginTransfer(source: SimulatedAgent, report: MigrationReport, token: string): void {
    if (this.transfers.has(report.id)) return;
    const hostName = token.split("/")[0] ?? "";
    const target = this.agents.get(hostName);
    if (!target) throw new Error(`no host ${hostName}`);
    const durations = this.drawDurations(report, { source, target });
    const transfer = new SimulatedTransfer(source, target, report.id, durations);
    this.transfers.set(report.id, transfer);
    this.begun(transfer);
  }

  durationsOf(report: MigrationReport): MigrationDurations {
    return this.transfers.get(report.id)?.durations ?? this.drawDurations(report);
  }

  /** What becomes of a transfer that was begun: it goes on by itself. */
  protected begun(transfer: SimulatedTransfer): void {
    void transfer.run(this.clock);
  }

  breakTransfer(id: string, options?: { lease: "never" }): void {
    this.transfers.get(id)?.break(options);
  }
}
