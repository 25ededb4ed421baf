import type { IncomingMessage } from "node:http";
import { load } from "js-yaml";
import { parseJson } from "../json.ts";
import { badRequest, tooLarge, unsupportedMediaType } from "../status.ts";

/** As kube-apiserver's. */
const maximumBodyBytes = 3 * 1024 * 1024;

export interface Body {
  /** In lower case, without parameters; empty when the client named none. */
  mediaType: string;
  bytes: Buffer;
}

const yamlTypes = ["application/yaml", "application/x-yaml", "text/yaml"];
export const protobufType = "application/vnd.kubernetes.protobuf";

/** @throws StatusError 413 above 3 MiB, 415 for a compressed body */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    throw unsupportedMediaType(`Content-Encoding ${encoding} is not supported: send the body uncompressed`);
  }
  if (Number(request.headers["content-length"] ?? 0) > maximumBodyBytes) throw tooLarge(maximumBodyBytes);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maximumBodyBytes) throw tooLarge(maximumBodyBytes);
    chunks.push(chunk);
  }
  const mediaType = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  return { mediaType, bytes: Buffer.concat(chunks) };
}

/**
 * Parses an object from JSON or YAML. An empty body is undefined.
 *
 * @throws StatusError 400 when it cannot be parsed, 415 for another media type, naming what works instead
 */
export function parseObject(body: Body): unknown {
  if (body.bytes.length === 0) return undefined;
  if (body.mediaType === "" || body.mediaType === "application/json") return parseJsonBody(body);
  if (yamlTypes.includes(body.mediaType)) return parseYamlBody(body);
  if (body.mediaType === protobufType) {
    throw unsupportedMediaType(
      "protobuf request bodies are not supported by this server: send application/json or application/yaml " +
        "(with kubectl: write the manifest with `kubectl create … --dry-run=client -o yaml` and `kubectl apply -f` it)",
    );
  }
  throw unsupportedMediaType(
    `the body of the request was in an unknown format (${body.mediaType}) - accepted media types include: application/json, application/yaml`,
  );
}

/** @throws StatusError 400 */
export function parseJsonBody(body: Body): unknown {
  try {
    return parseJson(body.bytes.toString("utf8"));
  } catch (error) {
    throw badRequest(`the body cannot be parsed as JSON: ${(error as Error).message}`);
  }
}

function parseYamlBody(body: Body): unknown {
  try {
    // Through JSON, so that nothing reaches the store that JSON cannot carry.
    return parseJson(JSON.stringify(load(body.bytes.toString("utf8"))));
  } catch (error) {
    throw badRequest(`the body cannot be parsed as YAML: ${(error as Error).message.split("\n")[0]}`);
  }
}
