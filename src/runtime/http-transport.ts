import { Agent, type Dispatcher, ProxyAgent } from "undici";
import type { Clock } from "../api/clock.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { backoffSeconds } from "./backoff.ts";
import { ApiError } from "./client.ts";
import type { ServerConnection } from "./kube-config.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface HttpRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the server's address, with a leading slash. */
  path: string;
  query?: Record<string, string | undefined>;
  body?: unknown;
  /** Of the body; JSON when absent. */
  contentType?: string;
  signal?: AbortSignal | undefined;
  /** The answer may take as long as it likes, and comes bit by bit. */
  streaming?: boolean;
}

export interface HttpTransportOptions {
  connection: ServerConnection;
  clock: Clock;
  metrics: Metrics;
  userAgent?: string;
  /** Requests a second in the long run; 50 when absent. */
  requestsPerSecond?: number;
  /** Requests that may come at once; 100 when absent. */
  burst?: number;
  /** For the head of an answer and for each pause within it; 30 when absent. */
  timeoutSeconds?: number;
  random?: () => number;
}

/** The API server could not be reached, or the connection broke before the answer was complete. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

const backoff = { baseSeconds: 0.25, maxSeconds: 10 };
const retries = 4;
/** A server may ask for any time; longer than this the caller's own backoff knows better. */
const longestRetryAfterSeconds = 60;

/**
 * Sends requests to one API server: identifies us, keeps to our rate limit, and tries again where that is safe: 429 for
 * every method (the server did nothing), other failures for GET only. Answers other than 2xx reject with `ApiError`.
 */
export class HttpTransport {
  readonly #options: HttpTransportOptions;
  readonly #dispatcher: Dispatcher;
  readonly #origin: string;
  readonly #basePath: string;
  readonly #bucket: TokenBucket;
  readonly #random: () => number;

  constructor(options: HttpTransportOptions) {
    const { tls, proxyUrl, server } = options.connection;
    const connect = { ...tls, keepAliveInitialDelay: 15_000 };
    this.#options = options;
    this.#dispatcher =
      proxyUrl === undefined ? new Agent({ connect }) : new ProxyAgent({ uri: proxyUrl, requestTls: tls });
    const url = new URL(server);
    this.#origin = url.origin;
    this.#basePath = url.pathname.replace(/\/$/, "");
    this.#bucket = new TokenBucket(options.requestsPerSecond ?? 50, options.burst ?? 100);
    this.#random = options.random ?? Math.random;
  }

  /** Resolves to the body of the answer, parsed. */
  async sendForJson(request: HttpRequest): Promise<unknown> {
    return this.#retrying(request, async () => {
      const response = await this.#sendOnce(request);
      const text = await this.#readText(request, response);
      return text === "" ? undefined : parseJson(request, text);
    });
  }

  /** Resolves to the body of the answer as it comes. Whoever reads it may stop at any time. */
  async sendForStream(request: HttpRequest): Promise<Dispatcher.ResponseData["body"]> {
    return this.#retrying({ ...request, streaming: true }, async () => {
      const response = await this.#sendOnce({ ...request, streaming: true });
      return response.body;
    });
  }

  /** Breaks all connections. */
  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #retrying<T>(request: HttpRequest, send: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      await this.#throttle(request.signal);
      try {
        return await send();
      } catch (error) {
        request.signal?.throwIfAborted();
        const waitSeconds = failures > retries ? undefined : this.#retryAfterSeconds(request, error, failures);
        if (waitSeconds === undefined) throw error;
        await this.#options.clock.sleep(waitSeconds * 1000, request.signal);
      }
    }
  }

  async #throttle(signal: AbortSignal | undefined): Promise<void> {
    const { clock, metrics } = this.#options;
    const wait = this.#bucket.take(clock.monotonicMilliseconds());
    if (wait === 0) return;
    metrics.clientThrottledSeconds.inc(wait / 1000);
    await clock.sleep(wait, signal);
  }

  /** Undefined: do not try again. */
  #retryAfterSeconds(request: HttpRequest, error: unknown, failures: number): number | undefined {
    const own = backoffSeconds(failures, backoff, this.#random);
    if (error instanceof ConnectionError) return request.method === "GET" && !request.streaming ? own : undefined;
    if (!(error instanceof ApiError)) return undefined;
    const asked = error.retryAfterSeconds;
    if (asked !== undefined && asked > longestRetryAfterSeconds) return undefined;
    if (error.code === 429) return Math.max(own, asked ?? 0);
    if (error.code < 500 || request.method !== "GET" || request.streaming) return undefined;
    return Math.max(own, asked ?? 0);
  }

  async #sendOnce(request: HttpRequest): Promise<Dispatcher.ResponseData> {
    const response = await this.#dispatch(request, false);
    if (response.statusCode !== 401) return this.#checked(request, response);
    // A token may have been renewed since we read it: read it again, once.
    await response.body.dump();
    return this.#checked(request, await this.#dispatch(request, true));
  }

  async #dispatch(request: HttpRequest, renewIdentity: boolean): Promise<Dispatcher.ResponseData> {
    const { connection, metrics, timeoutSeconds = 30, userAgent = "vacate" } = this.#options;
    const identity = await connection.headers(renewIdentity);
    const timeout = request.streaming ? 0 : timeoutSeconds * 1000;
    const content = request.body === undefined ? {} : { "content-type": request.contentType ?? "application/json" };
    try {
      const response = await this.#dispatcher.request({
        origin: this.#origin,
        path: this.#basePath + request.path + formatQuery(request.query),
        method: request.method,
        headers: { accept: "application/json", "user-agent": userAgent, ...content, ...identity },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal: request.signal ?? null,
        headersTimeout: timeout,
        bodyTimeout: timeout,
      });
      metrics.clientRequests.inc({ method: request.method, code: response.statusCode });
      return response;
    } catch (error) {
      request.signal?.throwIfAborted();
      metrics.clientRequests.inc({ method: request.method, code: 0 });
      throw this.#connectionError(request, error);
    }
  }

  async #checked(request: HttpRequest, response: Dispatcher.ResponseData): Promise<Dispatcher.ResponseData> {
    if (response.statusCode >= 200 && response.statusCode < 300) return response;
    const text = await this.#readText(request, response);
    throw toApiError(response.statusCode, text, response.headers["retry-after"]);
  }

  async #readText(request: HttpRequest, response: Dispatcher.ResponseData): Promise<string> {
    try {
      return await response.body.text();
    } catch (error) {
      request.signal?.throwIfAborted();
      throw this.#connectionError(request, error);
    }
  }

  #connectionError(request: HttpRequest, cause: unknown): ConnectionError {
    const reason =
      cause instanceof Error ? cause.message || ((cause as NodeJS.ErrnoException).code ?? cause.name) : cause;
    return new ConnectionError(`${request.method} ${request.path} of ${this.#origin}: ${reason}`, { cause });
  }
}

function formatQuery(query: HttpRequest["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, value);
  }
  return parameters.size === 0 ? "" : `?${parameters}`;
}

function parseJson(request: HttpRequest, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 60));
    throw new ConnectionError(`${request.method} ${request.path}: the answer is no JSON but begins ${start}`, {
      cause,
    });
  }
}

interface Status {
  kind?: string;
  code?: number;
  reason?: string;
  message?: string;
  details?: { retryAfterSeconds?: number };
}

/** The error in an answer's body, or in a watch's ERROR event; other bodies (of proxies) are quoted. */
export function toApiError(code: number, body: string, retryAfter?: string | string[]): ApiError {
  const status = parseStatus(body);
  const header = Number(retryAfter);
  const retryAfterSeconds =
    retryAfter !== undefined && Number.isFinite(header) && header >= 0 ? header : status?.details?.retryAfterSeconds;
  if (status === undefined) {
    return new ApiError(code, "Unknown", `server answered ${code}: ${body.slice(0, 200)}`, retryAfterSeconds);
  }
  const actualCode = status.code ?? code;
  const message = status.message ?? `server answered ${actualCode}`;
  return new ApiError(actualCode, status.reason ?? "Unknown", message, retryAfterSeconds);
}

function parseStatus(body: string): Status | undefined {
  try {
    const status = JSON.parse(body) as Status | null;
    return status?.kind === "Status" ? status : undefined;
  } catch {
    return undefined;
  }
}
