import type { ClientHttp2Session } from "node:http2";
import { createConnection } from "node:net";
import type { AgentClient } from "../agent/protocol/client.ts";
import type {
  AdoptOrder,
  AgentEvent,
  BeginMigrationOrder,
  GuestReport,
  HoldsOrder,
  HostReport,
  MigrationOrder,
  MigrationReport,
  Order,
  PrepareSourceAnswer,
  PrepareSourceOrder,
  PrepareTargetAnswer,
  PrepareTargetOrder,
  ReclaimOrder,
  StartOrder,
  StopOrder,
} from "../agent/protocol/types.ts";
import { agentSession } from "./agent-session.ts";
import { HostConnectionError } from "./host-connection-error.ts";
import { exchange, type Method, readLines } from "./http-exchange.ts";

export interface CallTimings {
  /** Milliseconds for a question or a change in the agent's books. */
  quickMilliseconds: number;
  /** Milliseconds for an order that starts, loads or ends a guest. */
  slowMilliseconds: number;
}

const defaultCallTimings: CallTimings = { quickMilliseconds: 10_000, slowMilliseconds: 120_000 };

interface Call {
  method: Method;
  path: string;
  order?: Order | undefined;
  signal?: AbortSignal | undefined;
  milliseconds?: number;
}

/**
 * The agent's client over HTTP/2. Besides `AgentError`, every call rejects with `HostConnectionError` `Timeout` or
 * `ConnectionLost` when no answer came; whether the agent did what it was asked is then unknown, and asking again is right.
 */
export class HttpAgentClient implements AgentClient {
  readonly #session: ClientHttp2Session;
  readonly #hostName: string;
  readonly #timings: CallTimings;

  /** @param hostName only for messages */
  constructor(session: ClientHttp2Session, hostName: string, timings: CallTimings = defaultCallTimings) {
    this.#session = session;
    this.#hostName = hostName;
    this.#timings = timings;
  }

  host(signal?: AbortSignal): Promise<HostReport> {
    return this.#json({ method: "GET", path: "/v1/host", signal });
  }

  guests(signal?: AbortSignal): Promise<GuestReport[]> {
    return this.#json({ method: "GET", path: "/v1/guests", signal });
  }

  guest(uid: string, signal?: AbortSignal): Promise<GuestReport | undefined> {
    return this.#jsonIfFound({ method: "GET", path: guestPath(uid), signal });
  }

  async console(uid: string, bytes: number, signal?: AbortSignal): Promise<string> {
    const answer = await this.#call({ method: "GET", path: `${guestPath(uid, "console")}?bytes=${bytes}`, signal });
    return answer.toString();
  }

  start(order: StartOrder, signal?: AbortSignal): Promise<GuestReport> {
    return this.#slowly({ method: "POST", path: guestPath(order.uid, "start"), order, signal });
  }

  stop(order: StopOrder, signal?: AbortSignal): Promise<GuestReport> {
    const milliseconds = this.#timings.slowMilliseconds + order.graceSeconds * 1000;
    return this.#json({ method: "POST", path: guestPath(order.uid, "stop"), order, signal, milliseconds });
  }

  adopt(order: AdoptOrder, signal?: AbortSignal): Promise<GuestReport> {
    return this.#json({ method: "POST", path: guestPath(order.uid, "adopt"), order, signal });
  }

  async discard(order: { term: number; uid: string }, signal?: AbortSignal): Promise<void> {
    const milliseconds = this.#timings.slowMilliseconds;
    await this.#call({ method: "POST", path: guestPath(order.uid, "discard"), order, signal, milliseconds });
  }

  async setHolds(order: HoldsOrder, signal?: AbortSignal): Promise<void> {
    await this.#call({ method: "PUT", path: "/v1/holds", order, signal });
  }

  migrations(signal?: AbortSignal): Promise<MigrationReport[]> {
    return this.#json({ method: "GET", path: "/v1/migrations", signal });
  }

  migration(id: string, signal?: AbortSignal): Promise<MigrationReport | undefined> {
    return this.#jsonIfFound({ method: "GET", path: migrationPath(id), signal });
  }

  prepareSource(order: PrepareSourceOrder, signal?: AbortSignal): Promise<PrepareSourceAnswer> {
    return this.#ofMigration("prepare-source", order, signal);
  }

  prepareTarget(order: PrepareTargetOrder, signal?: AbortSignal): Promise<PrepareTargetAnswer> {
    return this.#ofMigration("prepare-target", order, signal);
  }

  beginMigration(order: BeginMigrationOrder, signal?: AbortSignal): Promise<MigrationReport> {
    return this.#ofMigration("begin", order, signal);
  }

  abortMigration(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport> {
    return this.#ofMigration("abort", order, signal);
  }

  discardTarget(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport> {
    return this.#ofMigration("discard-target", order, signal);
  }

  resumeTarget(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport> {
    return this.#ofMigration("resume-target", order, signal);
  }

  releaseSource(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport> {
    return this.#ofMigration("release-source", order, signal);
  }

  surrenderTarget(order: MigrationOrder, signal?: AbortSignal): Promise<MigrationReport> {
    return this.#ofMigration("surrender-target", order, signal);
  }

  reclaimSource(order: ReclaimOrder, signal?: AbortSignal): Promise<MigrationReport> {
    return this.#ofMigration("reclaim-source", order, signal);
  }

  async forgetMigration(order: MigrationOrder, signal?: AbortSignal): Promise<void> {
    await this.#call({ method: "POST", path: migrationPath(order.migrationId, "forget"), order, signal });
  }

  async *events(signal?: AbortSignal): AsyncIterable<AgentEvent> {
    const milliseconds = this.#timings.quickMilliseconds;
    const request = { method: "GET" as const, path: "/v1/events", signal, milliseconds };
    for await (const line of readLines(this.#session, this.#hostName, request)) yield JSON.parse(line) as AgentEvent;
  }

  /** Ends the session; calls under way reject. */
  close(): void {
    this.#session.destroy();
  }

  #ofMigration<Answer>(
    verb: string,
    order: Order & { migrationId: string },
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    return this.#slowly({ method: "POST", path: migrationPath(order.migrationId, verb), order, signal });
  }

  #slowly<Answer>(call: Call): Promise<Answer> {
    return this.#json({ ...call, milliseconds: this.#timings.slowMilliseconds });
  }

  async #jsonIfFound<Answer>(call: Call): Promise<Answer | undefined> {
    const { status, body } = await this.#exchange(call, [404]);
    return status === 404 ? undefined : (JSON.parse(body.toString()) as Answer);
  }

  async #json<Answer>(call: Call): Promise<Answer> {
    return JSON.parse((await this.#call(call)).toString()) as Answer;
  }

  async #call(call: Call): Promise<Buffer> {
    return (await this.#exchange(call, [])).body;
  }

  #exchange(call: Call, alsoAccepted: number[]) {
    const request = {
      method: call.method,
      path: call.path,
      body: call.order === undefined ? undefined : JSON.stringify(call.order),
      signal: call.signal,
      milliseconds: call.milliseconds ?? this.#timings.quickMilliseconds,
    };
    return exchange(this.#session, this.#hostName, request, alsoAccepted);
  }
}

/**
 * Connects to an agent on this machine, without SSH. Close it after use.
 *
 * @throws {HostConnectionError} `AgentNotListening`
 */
export async function connectLocalAgent(socketPath: string, timings?: CallTimings): Promise<HttpAgentClient> {
  const socket = createConnection(socketPath);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (error) => {
      const message = `no agent answers on the socket ${socketPath}: ${error.message}; is \`vacate agent\` running?`;
      reject(new HostConnectionError("AgentNotListening", message, error));
    });
  });
  return new HttpAgentClient(agentSession(socket), "localhost", timings);
}

function guestPath(uid: string, verb?: string): string {
  return path("/v1/guests", uid, verb);
}

function migrationPath(id: string, verb?: string): string {
  return path("/v1/migrations", id, verb);
}

function path(collection: string, key: string, verb: string | undefined): string {
  const item = `${collection}/${encodeURIComponent(key)}`;
  return verb === undefined ? item : `${item}/${verb}`;
}
