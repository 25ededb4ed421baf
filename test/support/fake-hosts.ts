import type { AgentClient } from "../../src/agent/protocol/client.ts";
import type { AgentEvent, MigrationReport } from "../../src/agent/protocol/types.ts";
import type { Clock } from "../../src/api/clock.ts";
import type { HostConnection, HostSettings } from "../../src/hosts/host-agents.ts";
import { FakeAgent, type FakeAgentOptions } from "./fake-agent.ts";
import { FakeTransfer, type TransferStep } from "./fake-transfer.ts";

export interface MigrationDurations {
  suspendMilliseconds: number;
  copyMilliseconds: number;
  resumeMilliseconds: number;
}

type EventListener = (hostName: string, event: AgentEvent) => void;
type ConnectionListener = (hostName: string, connection: HostConnection) => void;

/**
 * The operator's connections to several fake agents, and the ways between those. Migrations take their time on the
 * clock; with `automatic` off each step waits for `step`.
 */
export class FakeHosts {
  readonly clock: Clock;
  automatic = true;
  /** How long the phases of a migration of so many bytes take. */
  durations: (stateBytes: number) => MigrationDurations = (stateBytes) => ({
    suspendMilliseconds: 100,
    copyMilliseconds: Math.round(500 + stateBytes / 100_000),
    resumeMilliseconds: 50,
  });
  /** What the controller asked to be connected, by host. */
  readonly settings = new Map<string, HostSettings>();
  /** Connections that are said to have failed, by host; the agent does not answer either. */
  readonly failures = new Map<string, HostConnection>();
  readonly #agents = new Map<string, FakeAgent>();
  readonly #transfers = new Map<string, FakeTransfer>();
  readonly #eventListeners = new Set<EventListener>();
  readonly #connectionListeners = new Set<ConnectionListener>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  // --- for tests ---------------------------------------------------------------------------------------------------

  /** A host with an agent, connected without `ensure`. */
  add(hostName: string, options: FakeAgentOptions = {}): FakeAgent {
    const agent = new FakeAgent(this, hostName, options);
    this.#agents.set(hostName, agent);
    return agent;
  }

  /** The fake behind a host, connected or not. */
  fake(hostName: string): FakeAgent {
    const agent = this.#agents.get(hostName);
    if (!agent) throw new Error(`no fake host ${hostName}; add it first`);
    return agent;
  }

  /** Does the next step of the migration, or of the only one when no id is given. */
  step(id?: string): TransferStep | undefined {
    const transfer = id === undefined ? [...this.#transfers.values()].at(-1) : this.#transfers.get(id);
    return transfer?.step();
  }

  /** Steps until the named one was done. */
  stepUntil(wanted: TransferStep): void {
    for (let done = this.step(); done !== wanted; done = this.step()) {
      if (done === undefined) throw new Error(`no transfer comes to ${wanted}`);
    }
  }

  /** Every guest that runs anywhere, as `host/namespace/name/epoch`; one VM twice would show here. */
  running(): string[] {
    return [...this.#agents.values()].flatMap((agent) =>
      [...agent.held.values()]
        .filter((guest) => guest.state === "Running")
        .map((guest) => `${agent.hostName}/${guest.namespace}/${guest.name}/${guest.epoch}`),
    );
  }

  // --- as HostAgents -----------------------------------------------------------------------------------------------

  ensure(hostName: string, settings: HostSettings): void {
    this.settings.set(hostName, settings);
  }

  remove(hostName: string): void {
    this.settings.delete(hostName);
  }

  agent(hostName: string): AgentClient | undefined {
    const agent = this.#agents.get(hostName);
    return agent?.connected && !this.failures.has(hostName) ? agent : undefined;
  }

  connection(hostName: string): HostConnection | undefined {
    const failure = this.failures.get(hostName);
    if (failure) return failure;
    const agent = this.#agents.get(hostName);
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

  async close(): Promise<void> {
    this.settings.clear();
  }

  // --- for the fakes -----------------------------------------------------------------------------------------------

  emit(hostName: string, event: AgentEvent): void {
    if (!this.#agents.get(hostName)?.connected) return;
    for (const listener of this.#eventListeners) listener(hostName, event);
  }

  connectionChanged(hostName: string): void {
    const connection = this.connection(hostName);
    if (!connection) return;
    for (const listener of this.#connectionListeners) listener(hostName, connection);
  }

  beginTransfer(source: FakeAgent, report: MigrationReport, token: string): void {
    if (this.#transfers.has(report.id)) return;
    const target = this.fake(token.split("/")[0] ?? "");
    const transfer = new FakeTransfer(source, target, report.id, this.durations(report.bytesTotal));
    this.#transfers.set(report.id, transfer);
    if (this.automatic) void transfer.run(this.clock);
  }

  breakTransfer(id: string, options?: { lease: "never" }): void {
    this.#transfers.get(id)?.break(options);
  }

  /** A source whose host goes down does not roll back by itself. */
  breakTransfers(agent: FakeAgent, { isDown = false } = {}): void {
    for (const transfer of this.#transfers.values()) {
      if (transfer.source === agent) transfer.break(isDown ? { lease: "never" } : {});
      if (transfer.target === agent) transfer.break();
    }
  }
}
