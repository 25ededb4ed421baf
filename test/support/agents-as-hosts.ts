import type { AgentClient } from "../../src/agent/protocol/client.ts";
import type { AgentEvent } from "../../src/agent/protocol/types.ts";
import type { Hosts } from "../../src/controllers/hosts.ts";
import type { HostConnection } from "../../src/hosts/host-agents.ts";
import type { AgentUnderTest } from "./agent/agent-under-test.ts";

type EventListener = (hostName: string, event: AgentEvent) => void;
type ConnectionListener = (hostName: string, connection: HostConnection) => void;

/** Real agents in this process as the operator's connections: their own sockets, without SSH in between. */
export class AgentsAsHosts implements Hosts {
  readonly #agents: ReadonlyMap<string, AgentUnderTest>;
  readonly #connected = new Map<string, AgentClient>();
  readonly #eventListeners = new Set<EventListener>();
  readonly #connectionListeners = new Set<ConnectionListener>();

  constructor(agents: ReadonlyMap<string, AgentUnderTest>) {
    this.#agents = agents;
  }

  /** Connects to an agent that was just started, and listens until it ends. */
  connect(hostName: string): void {
    const client = this.#agents.get(hostName)?.client;
    if (!client) throw new Error(`no agent of ${hostName}`);
    this.#connected.set(hostName, client);
    void this.#listen(hostName, client);
  }

  ensure(): void {}

  remove(): void {}

  agent(hostName: string): AgentClient | undefined {
    return this.#connected.get(hostName);
  }

  connection(hostName: string): HostConnection {
    if (this.#connected.has(hostName)) return { state: "Connected" };
    return { state: "Failed", reason: "ConnectionLost", message: "the agent has ended" };
  }

  onEvent(listener: EventListener): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  onConnectionChange(listener: ConnectionListener): () => void {
    this.#connectionListeners.add(listener);
    return () => this.#connectionListeners.delete(listener);
  }

  async #listen(hostName: string, client: AgentClient): Promise<void> {
    this.#tellConnection(hostName);
    try {
      for await (const event of client.events()) {
        for (const listener of this.#eventListeners) listener(hostName, event);
      }
    } catch {
      // The agent ended; that is the connection's news below.
    }
    if (this.#connected.get(hostName) === client) this.#connected.delete(hostName);
    this.#tellConnection(hostName);
  }

  #tellConnection(hostName: string): void {
    for (const listener of this.#connectionListeners) listener(hostName, this.connection(hostName));
  }
}
