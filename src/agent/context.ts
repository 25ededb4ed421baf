import type { Logger } from "pino";
import type { Clock } from "../api/clock.ts";
import type { AgentEvents } from "./agent-events.ts";
import type { Driver } from "./drivers/driver.ts";
import type { Journal } from "./journal/journal.ts";
import type { KeyedLock } from "./keyed-lock.ts";

/** What every part of one agent works with. */
export interface AgentContext {
  journal: Journal;
  driver: Driver;
  clock: Clock;
  events: AgentEvents;
  /** This boot of the host. */
  bootId: string;
  logger: Logger;
  /** By uid: orders for one guest run one after the other. */
  guestLock: KeyedLock;
  /** Aborted when the agent is asked to end: migrations roll back if they still can, and nothing is tried again. */
  stopping: AbortSignal;
  /** Aborted when the agent ends. Guests go on. */
  ending: AbortSignal;
  limits: AgentLimits;
}

export interface AgentLimits {
  /** Milliseconds without a byte from the other side after which a data connection is given up. */
  idleMilliseconds: number;
  /** Milliseconds for a data connection to be made and authenticated. */
  handshakeMilliseconds: number;
  /** Milliseconds after which a target that nobody sent a byte to drops what it prepared. */
  preparedMilliseconds: number;
  /** Milliseconds that an ending agent gives its migrations to roll back; what is not done then is the next start's. */
  stopMilliseconds: number;
  /** Milliseconds before a driver's or the journal's failure is tried again; each further pause is twice as long. */
  retryMilliseconds: number;
}

export const defaultLimits: AgentLimits = {
  idleMilliseconds: 30_000,
  handshakeMilliseconds: 10_000,
  preparedMilliseconds: 10 * 60_000,
  stopMilliseconds: 10_000,
  retryMilliseconds: 500,
};
