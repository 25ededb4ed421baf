import type { IncomingMessage } from "node:http";
import { type RequestOptions, request } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import type { JsonObject } from "../../src/apiserver/resource.ts";

export interface RawAnswer {
  code: number;
  headers: Record<string, string | string[] | undefined>;
  /** Parsed when it is JSON, else the text. */
  body: JsonObject;
}

interface RawRequest {
  body?: unknown;
  contentType?: string;
  accept?: string;
}

/** Plain HTTP to an API server with the identity of a kubeconfig: what clients hide is seen here. */
export class RawApi {
  readonly #server: URL;
  readonly #options: RequestOptions;

  private constructor(server: URL, options: RequestOptions) {
    this.#server = server;
    this.#options = options;
  }

  static async create(kubeconfigPath: string): Promise<RawApi> {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfigPath);
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    return new RawApi(new URL(config.getCurrentCluster()?.server ?? ""), options);
  }

  /** The same server for somebody without an identity. */
  anonymous(): RawApi {
    const { ca } = this.#options;
    return new RawApi(this.#server, ca === undefined ? {} : { ca });
  }

  send(method: string, path: string, { body, contentType, accept }: RawRequest = {}): Promise<RawAnswer> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const headers = {
      ...(this.#options.headers as Record<string, string>),
      // With its length, since Node would send the body of a DELETE without any framing.
      ...(text !== undefined && {
        "content-type": contentType ?? "application/json",
        "content-length": Buffer.byteLength(text),
      }),
      ...(accept && { accept }),
    };
    return new Promise((resolve, reject) => {
      const sent = request(
        new URL(path, this.#server),
        { ...this.#options, method, headers, agent: false },
        (answer) => {
          let received = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => {
            received += chunk;
          });
          answer.once("error", reject);
          answer.once("end", () => {
            resolve({ code: answer.statusCode ?? 0, headers: answer.headers, body: parse(received) });
          });
        },
      );
      sent.once("error", reject);
      sent.end(text);
    });
  }

  get(path: string, accept?: string): Promise<RawAnswer> {
    return this.send("GET", path, accept ? { accept } : {});
  }

  merge(path: string, body: unknown): Promise<RawAnswer> {
    return this.send("PATCH", path, { body, contentType: "application/merge-patch+json" });
  }

  /** The events of a watch, until the server ends it or the caller leaves the loop. */
  async *watch(path: string): AsyncGenerator<{ type: string; object: JsonObject }> {
    const sent = request(new URL(path, this.#server), { ...this.#options, agent: false });
    try {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        sent.once("response", resolve).on("error", reject).end();
      });
      let unfinished = "";
      for await (const chunk of answer.setEncoding("utf8")) {
        const lines = `${unfinished}${chunk}`.split("\n");
        unfinished = lines.pop() ?? "";
        for (const line of lines) yield JSON.parse(line);
      }
    } finally {
      sent.destroy();
    }
  }
}

function parse(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return { text };
  }
}
