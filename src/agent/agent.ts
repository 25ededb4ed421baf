import { type Logger, pino } from "pino";
import type { Clock } from "../api/clock.ts";
import { AgentEvents } from "./agent-events.ts";
import { type AgentContext, type AgentLimits, defaultLimits } from "./context.ts";
import type { Driver } from "./drivers/driver.ts";
import { Guests } from "./guests/guests.ts";
import { takeUpGuests } from "./guests/take-up-guests.ts";
import { Host } from "./host.ts";
import { readBootId } from "./journal/boot-id.ts";
import { Journal } from "./journal/journal.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { Migrations } from "./migration/migrations.ts";
import { routes } from "./server/routes.ts";
import { ControlServer } from "./server/server.ts";
import { TransferListener } from "./transfer/listener.ts";

export interface AgentOptions {
  /** On persistent disk, also where state lands in RAM (R4). */
  dataDirectory: string;
  socketPath: string;
  /** Where state arrives. Port 0 takes a free one. */
  dataAddress: string;
  dataPort: number;
  driver: Driver;
  clock: Clock;
  /** Of this boot; the kernel's when absent. */
  bootId?: string;
  logger?: Logger;
  limits?: Partial<AgentLimits>;
  /** Opened by the caller in tests; else it is opened in the data directory. */
  journal?: Journal;
  /** Ends the agent as `close` does. */
  signal?: AbortSignal;
}

export interface RunningAgent {
  agentUuid: string;
  dataPort: number;
  /** Ends the agent. Guests go on; a migration before its point of no return is rolled back. May be called twice. */
  close(): Promise<void>;
  /** Resolves when the agent has ended. */
  closed: Promise<void>;
}

/**
 * Starts the agent of this host: opens the journal, finds the guests that still run, brings every migration that an earlier
 * agent left to its end or to where an order is needed, and only then answers.
 *
 * @throws {JournalError} when the data directory is in use or cannot be written
 * @throws {SocketError} when the control socket is in use
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { clock, dataAddress, dataDirectory, dataPort, driver, signal, socketPath } = options;
  signal?.throwIfAborted();
  const journal = options.journal ?? new Journal(dataDirectory);
  const stopping = new AbortController();
  const ending = new AbortController();
  const context: AgentContext = {
    ...{ journal, driver, clock },
    events: new AgentEvents(),
    bootId: options.bootId ?? readBootId(),
    logger: options.logger ?? pino({ level: "silent" }),
    guestLock: new KeyedLock(),
    stopping: stopping.signal,
    ending: ending.signal,
    limits: { ...defaultLimits, ...options.limits },
  };
  const listener = new TransferListener(context);
  const guests = new Guests(context);
  const migrations = new Migrations(context, listener);
  const server = new ControlServer(context, routes(new Host(context), guests, migrations));

  const { promise: closed, resolve: hasClosed } = Promise.withResolvers<void>();
  const end = async () => {
    stopping.abort(new Error("the agent ends"));
    await server.close();
    await migrations.stop();
    ending.abort(new Error("the agent ends"));
    await listener.close();
    await driver.close();
    journal.close();
    hasClosed();
  };
  let ended: Promise<void> | undefined;
  const close = () => {
    ended ??= end();
    return ended;
  };
  try {
    const handles = journal.guests().map((guest) => guest.handle);
    const processes = await driver.recover(handles, ending.signal);
    await takeUpGuests(context, processes);
    await migrations.takeUp(processes);
    await listener.listen(dataAddress, dataPort);
    await server.listen(socketPath);
  } catch (error) {
    await close();
    throw error;
  }
  signal?.addEventListener("abort", () => close().catch((error) => context.logger.error({ err: error }, "not ended")), {
    once: true,
  });
  return { agentUuid: journal.agentUuid, dataPort: listener.port, close, closed };
}
