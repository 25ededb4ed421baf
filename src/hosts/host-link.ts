import type { ClientHttp2Session } from "node:http2";
import type { AgentClient } from "../agent/protocol/client.ts";
import type { AgentEvent } from "../agent/protocol/types.ts";
import type { Clock } from "../api/clock.ts";
import { agentSession } from "./agent-session.ts";
import { Backoff } from "./backoff.ts";
import type { HostConnectionReason } from "./host-connection-error.ts";
import { HostConnectionError, isWorthRetrying } from "./host-connection-error.ts";
import type { HostSettings } from "./host-settings.ts";
import { HttpAgentClient } from "./http-agent-client.ts";
import { describe, SshConnection } from "./ssh-connection.ts";

export interface HostConnection {
  /** `Connecting` only until the first attempt has ended; `Failed` while it is tried again. */
  state: "Connecting" | "Connected" | "Failed";
  reason?: HostConnectionReason | "AgentRefused";
  message?: string;
}

export interface LinkTimings {
  /** Milliseconds for TCP, SSH handshake and login together. */
  readyMilliseconds: number;
  keepaliveMilliseconds: number;
  /** Milliseconds between two HTTP/2 pings, and for the answer to one: an agent that hangs keeps its SSH server answering. */
  pingMilliseconds: number;
  firstRetryMilliseconds: number;
  longestRetryMilliseconds: number;
}

export const defaultLinkTimings: LinkTimings = {
  readyMilliseconds: 20_000,
  keepaliveMilliseconds: 10_000,
  pingMilliseconds: 15_000,
  firstRetryMilliseconds: 500,
  longestRetryMilliseconds: 30_000,
};

export interface LinkOptions {
  hostName: string;
  settings: HostSettings;
  clock: Clock;
  random: () => number;
  timings: LinkTimings;
  onEvent: (event: AgentEvent) => void;
  onConnectionChange: () => void;
}

/** Keeps one host's agent connected: one SSH connection, one HTTP/2 session over it, one stream of events. */
export class HostLink {
  readonly settings: HostSettings;
  readonly #options: LinkOptions;
  readonly #closing = new AbortController();
  readonly #done: Promise<void>;
  #connection: HostConnection = { state: "Connecting" };
  #client: AgentClient | undefined;

  constructor(options: LinkOptions) {
    this.settings = options.settings;
    this.#options = options;
    this.#done = this.#keepConnected();
  }

  /** Only while connected. */
  get client(): AgentClient | undefined {
    return this.#client;
  }

  get connection(): HostConnection {
    return this.#connection;
  }

  /** Resolves when nothing of the link is left. Listeners hear no more of it from the call on. */
  close(): Promise<void> {
    this.#closing.abort(new HostConnectionError("Closed", `host ${this.#options.hostName}: the connection was closed`));
    return this.#done;
  }

  async #keepConnected(): Promise<void> {
    const { clock, random, timings } = this.#options;
    const backoff = new Backoff(timings.firstRetryMilliseconds, timings.longestRetryMilliseconds, random);
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const error = await this.#connectOnce(backoff);
      this.#client = undefined;
      if (signal.aborted) return;
      this.#change(failure(error));
      if (error instanceof HostConnectionError && !isWorthRetrying(error.reason)) return;
      await clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }

  /** Connects, stays connected as long as possible, and gives back what ended it. */
  async #connectOnce(backoff: Backoff): Promise<unknown> {
    let ssh: SshConnection | undefined;
    const attempt = new AbortController();
    const onClose = () => attempt.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener("abort", onClose, { once: true });
    try {
      ssh = await SshConnection.open(this.settings, this.#options.timings, attempt.signal);
      const session = agentSession(await ssh.openAgentStream());
      const watched = [ssh.ended, sessionEnd(session, this.settings), this.#hangs(session, attempt.signal)];
      void Promise.race(watched).then((error) => attempt.abort(error));
      await this.#listen(session, backoff, attempt.signal);
      return attempt.signal.reason;
    } catch (error) {
      return attempt.signal.aborted ? attempt.signal.reason : error;
    } finally {
      this.#closing.signal.removeEventListener("abort", onClose);
      attempt.abort();
      ssh?.close();
    }
  }

  /** Reads events, and opens the stream again when it ends while the connection is still there. */
  async #listen(session: ClientHttp2Session, backoff: Backoff, signal: AbortSignal): Promise<void> {
    const { clock, timings, hostName } = this.#options;
    const client = new HttpAgentClient(session, hostName);
    while (!signal.aborted) {
      for await (const event of client.events(signal)) {
        if (event.type === "Hello") {
          backoff.reset();
          this.#client = client;
          this.#change({ state: "Connected" });
        }
        if (!this.#closing.signal.aborted) this.#options.onEvent(event);
      }
      await clock.sleep(timings.firstRetryMilliseconds, signal);
    }
  }

  /** Resolves once the agent leaves a ping unanswered. */
  async #hangs(session: ClientHttp2Session, signal: AbortSignal): Promise<unknown> {
    const { clock, timings } = this.#options;
    try {
      for (;;) {
        await clock.sleep(timings.pingMilliseconds, signal);
        const overdue = clock.sleep(timings.pingMilliseconds, signal).then(() => false);
        if (!(await Promise.race([pingAnswer(session), overdue]))) break;
      }
    } catch {
      return signal.reason;
    }
    const seconds = timings.pingMilliseconds / 1000;
    return new HostConnectionError(
      "Timeout",
      `${describe(this.settings)}: the agent has not answered for ${seconds} s, though the SSH server does; does \`vacate agent\` hang?`,
    );
  }

  #change(connection: HostConnection): void {
    const { state, reason, message } = this.#connection;
    if (state === connection.state && reason === connection.reason && message === connection.message) return;
    this.#connection = connection;
    if (!this.#closing.signal.aborted) this.#options.onConnectionChange();
  }
}

function pingAnswer(session: ClientHttp2Session): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (session.destroyed) return reject(new Error("the session has ended"));
    session.ping((error) => (error ? reject(error) : resolve(true)));
  });
}

function sessionEnd(session: ClientHttp2Session, settings: HostSettings): Promise<HostConnectionError> {
  return new Promise((resolve) => {
    session.once("close", () => {
      resolve(
        new HostConnectionError("ConnectionLost", `${describe(settings)}: the connection to the agent was closed`),
      );
    });
  });
}

function failure(error: unknown): HostConnection {
  if (error instanceof HostConnectionError) return { state: "Failed", reason: error.reason, message: error.message };
  // Reachable, yet it refuses the stream of events: an agent of another version.
  return { state: "Failed", reason: "AgentRefused", message: error instanceof Error ? error.message : String(error) };
}
