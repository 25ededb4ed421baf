import type { IncomingMessage, ServerResponse } from "node:http";
import { answerReview, isReview } from "../auth/reviews.ts";
import type { Logger } from "../logger.ts";
import type { Registry } from "../registry/registry.ts";
import {
  badRequest,
  internalError,
  methodNotAllowed,
  StatusError,
  shuttingDown,
  unauthorized,
  unknownPath,
} from "../status.ts";
import { readBody } from "./body.ts";
import { type Documents, isPublic } from "./documents.ts";
import { parseResourcePath } from "./request-path.ts";
import type { Answer, ResourceHandler } from "./resource-handler.ts";

interface Dependencies {
  registry: Registry;
  documents: Documents;
  resources: ResourceHandler;
  isAuthorized: (authorization: string | undefined) => boolean;
  logger: Logger;
  /** Aborted when the server stops: watches end, new requests are refused. */
  signal: AbortSignal;
}

const healthPaths = ["/healthz", "/livez", "/readyz"];

/** Answers every request, whatever happens, with what was asked for or a Status that says why not. */
export class Router {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#route(request, response);
    } catch (error) {
      this.#fail(request, response, error);
    }
    // A kept-alive connection whose watch has just ended would hold the server's stop up.
    if (this.#dependencies.signal.aborted) response.once("finish", () => request.socket.end());
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { signal, isAuthorized, documents } = this.#dependencies;
    const url = URL.parse(request.url ?? "/", "https://localhost");
    if (!url) throw badRequest(`the request's address cannot be read: ${request.url}`);
    const { pathname, searchParams } = url;
    const path = pathname.length > 1 ? pathname.replace(/\/+$/, "") : pathname;
    if (!isPublic(path) && !isAuthorized(request.headers.authorization)) throw unauthorized();
    if (signal.aborted) throw shuttingDown();
    if (healthPaths.includes(path)) return send(response, 200, "text/plain; charset=utf-8", "ok");
    const resourcePath = parseResourcePath(path);
    if (!resourcePath) {
      const document = documents.find(path, request.headers);
      if (!document) throw unknownPath();
      if (request.method !== "GET") throw methodNotAllowed();
      return send(response, 200, document.contentType, document.bytes);
    }
    const gone = new AbortController();
    // Not the request's own "close", which comes as soon as its body has been read.
    response.on("close", () => gone.abort());
    const given = {
      request,
      response,
      path: resourcePath,
      query: searchParams,
      signal: AbortSignal.any([signal, gone.signal]),
    };
    const answer = (await this.#review(request, given)) ?? (await this.#dependencies.resources.handle(given));
    if (answer) sendAnswer(response, answer);
  }

  async #review(request: IncomingMessage, { path }: { path: { apiVersion: string; plural: string; name?: string } }) {
    const definition = this.#dependencies.registry.find(path.apiVersion, path.plural)?.definition;
    if (!definition || !isReview(definition)) return undefined;
    if (request.method !== "POST" || path.name !== undefined) throw methodNotAllowed();
    return { code: 201, body: answerReview(definition, await readBody(request)) };
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.destroyed) return;
    if (response.headersSent) {
      // A watch that breaks off: the client sees a broken stream and comes back.
      response.destroy();
      return;
    }
    const status = error instanceof StatusError ? error : this.#unexpected(request, error);
    const retryAfter = status.details?.retryAfterSeconds;
    if (retryAfter !== undefined) response.setHeader("retry-after", String(retryAfter));
    // What is left of a refused body is not read, so the connection cannot go on.
    if (!request.complete) response.setHeader("connection", "close");
    send(response, status.code, "application/json", JSON.stringify(status.toStatus()));
  }

  #unexpected(request: IncomingMessage, error: unknown): StatusError {
    this.#dependencies.logger.error(
      { err: error, method: request.method, url: request.url },
      "a request failed unexpectedly",
    );
    return internalError("see the server's log");
  }
}

function sendAnswer(response: ServerResponse, answer: Answer): void {
  for (const warning of answer.warnings ?? []) {
    response.appendHeader("warning", `299 - "${warning.replace(/[\\"]/g, "\\$&").replace(/[^\x20-\x7e]/g, "?")}"`);
  }
  send(response, answer.code, "application/json", JSON.stringify(answer.body));
}

function send(response: ServerResponse, code: number, contentType: string, body: string | Buffer): void {
  response.writeHead(code, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-cache, private",
  });
  response.end(body);
}
