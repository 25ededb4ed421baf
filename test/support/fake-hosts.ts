import type { AgentClient } from "../../src/agent/protocol/client.ts";
import type { MigrationReport } from "../../src/agent/protocol/types.ts";
import type { HostConnection } from "../../src/hosts/host-agents.ts";
import type { SimulatedAgent, SimulatedAgentOptions } from "../../src/simulation/simulated-agent.ts";
import { type MigrationDurations, SimulatedHosts } from "../../src/simulation/simulated-hosts.ts";
import type { SimulatedTransfer, TransferStep } from "../../src/simulation/simulated-transfer.ts";
import { FakeAgent } from "./fake-agent.ts";

/**
 * The operator's connections to several fake agents, and the ways between those. Migrations take their time on the
 * clock; with `automatic` off each step waits for `step`.
 */
export class FakeHosts extends SimulatedHosts {
  automatic = true;
  /** How long the phases of a migration of so many bytes take. */
  durations: (stateBytes: number) => MigrationDurations = (stateBytes) => ({
    suspendMilliseconds: 100,
    copyMilliseconds: Math.round(500 + stateBytes / 100_000),
    resumeMilliseconds: 50,
  });
  /** Connections that are said to have failed, by host; the agent does not answer either. */
  readonly failures = new Map<string, HostConnection>();

  /** A host with an agent, connected without `ensure`. */
  add(hostName: string, options: SimulatedAgentOptions = {}): FakeAgent {
    const agent = new FakeAgent(this, hostName, options);
    this.agents.set(hostName, agent);
    return agent;
  }

  /** The fake behind a host, connected or not. */
  fake(hostName: string): FakeAgent {
    const agent = this.agents.get(hostName);
    if (!(agent instanceof FakeAgent)) throw new Error(`no fake host ${hostName}; add it first`);
    return agent;
  }

  /** Does the next step of the migration, or of the only one when no id is given. */
  step(id?: string): TransferStep | undefined {
    const transfer = id === undefined ? [...this.transfers.values()].at(-1) : this.transfers.get(id);
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
    return [...this.agents.values()].flatMap((agent) =>
      [...agent.held.values()]
        .filter((guest) => guest.state === "Running")
        .map((guest) => `${agent.hostName}/${guest.namespace}/${guest.name}/${guest.epoch}`),
    );
  }

  override agent(hostName: string): AgentClient | undefined {
    return this.failures.has(hostName) ? undefined : super.agent(hostName);
  }

  override connection(hostName: string): HostConnection | undefined {
    return this.failures.get(hostName) ?? super.connection(hostName);
  }

  async close(): Promise<void> {
    this.settings.clear();
  }

  protected override drawDurations(report: MigrationReport): MigrationDurations {
    return this.durations(report.bytesTotal);
  }

  protected override begun(transfer: SimulatedTransfer): void {
    if (this.automatic) super.begun(transfer);
  }

  /** A source whose host goes down does not roll back by itself. */
  breakTransfers(agent: SimulatedAgent, { isDown = false } = {}): void {
    for (const transfer of this.transfers.values()) {
      if (transfer.source === agent) transfer.break(isDown ? { lease: "never" } : {});
      if (transfer.target === agent) transfer.break();
    }
  }
}
