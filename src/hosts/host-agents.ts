import type { AgentClient } from "../agent/protocol/client.ts";
import type { AgentEvent } from "../agent/protocol/types.ts";
import type { Clock } from "../api/clock.ts";
import { systemClock } from "../api/clock.ts";
import type { HostConnection, LinkTimings } from "./host-link.ts";
import { defaultLinkTimings, HostLink } from "./host-link.ts";
import type { HostSettings } from "./host-settings.ts";
import { haveSameSettings } from "./host-settings.ts";

export type { HostConnection } from "./host-link.ts";
export type { HostSettings } from "./host-settings.ts";

export interface HostAgentsOptions {
  clock?: Clock;
  /** Numbers from 0 to below 1, for the jitter. */
  random?: () => number;
  timings?: Partial<LinkTimings>;
}

type EventListener = (hostName: string, event: AgentEvent) => void;
type ConnectionListener = (hostName: string, connection: HostConnection) => void;

/**
 * The agents of all hosts, each kept connected in the background. Listeners must not throw; nothing they miss is lost
 * when they read the agent anew at each `Hello`, which comes first on every connection.
 */
export class HostAgents {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #timings: LinkTimings;
  readonly #links = new Map<string, HostLink>();
  /** Links that were given up and are not gone yet. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #eventListeners = new Set<EventListener>();
  readonly #connectionListeners = new Set<ConnectionListener>();

  constructor(options: HostAgentsOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#timings = { ...defaultLinkTimings, ...options.timings };
  }

  /** Keeps the host connected from now on. Does nothing when it already is with these settings; else connects anew. */
  ensure(hostName: string, settings: HostSettings): void {
    const existing = this.#links.get(hostName);
    if (existing && haveSameSettings(existing.settings, settings)) return;
    if (existing) this.#leave(existing);
    const link: HostLink = new HostLink({
      hostName,
      settings: { ...settings },
      clock: this.#clock,
      random: this.#random,
      timings: this.#timings,
      onEvent: (event) => {
        for (const listener of this.#eventListeners) tell(() => listener(hostName, event));
      },
      onConnectionChange: () => {
        for (const listener of this.#connectionListeners) tell(() => listener(hostName, link.connection));
      },
    });
    this.#links.set(hostName, link);
  }

  /** Ends the connection, and forgets the host. Does nothing when it is not known. */
  remove(hostName: string): void {
    const link = this.#links.get(hostName);
    if (!link) return;
    this.#links.delete(hostName);
    this.#leave(link);
  }

  /** The host's agent while it is connected. Calls on it reject once the connection is lost; ask here again then. */
  agent(hostName: string): AgentClient | undefined {
    return this.#links.get(hostName)?.client;
  }

  /** Undefined for a host that `ensure` was not called for. */
  connection(hostName: string): HostConnection | undefined {
    return this.#links.get(hostName)?.connection;
  }

  /** @returns a function that ends the listening */
  onEvent(listener: EventListener): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** @returns a function that ends the listening */
  onConnectionChange(listener: ConnectionListener): () => void {
    this.#connectionListeners.add(listener);
    return () => this.#connectionListeners.delete(listener);
  }

  /** Ends all connections. Resolves when nothing of them is left. */
  async close(): Promise<void> {
    for (const hostName of [...this.#links.keys()]) this.remove(hostName);
    await Promise.all(this.#leaving);
  }

  #leave(link: HostLink): void {
    const gone = link.close().finally(() => this.#leaving.delete(gone));
    this.#leaving.add(gone);
  }
}

/** A listener's fault is a fault of the program and must not pass for one of the connection. */
function tell(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
