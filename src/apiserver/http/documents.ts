import type { IncomingHttpHeaders } from "node:http";
import { acceptedDiscovery, aggregatedContentType, aggregatedDiscovery } from "../discovery/aggregated-discovery.ts";
import { apiGroup, apiGroups, apiVersions, resourceList } from "../discovery/discovery.ts";
import { openapiV2Json, openapiV2Protobuf, openapiV2ProtobufType } from "../openapi/v2.ts";
import { openapiV3, openapiV3Index } from "../openapi/v3.ts";
import type { ResourceDefinition } from "../resource.ts";

/** A document that is the same for every client, ready to be sent. */
export interface Document {
  contentType: string;
  bytes: Buffer;
}

const version = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.0-vacate",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "none",
  compiler: "node",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
};

const publicPaths = ["/healthz", "/livez", "/readyz", "/version"];

/** Paths that need no identity, as in Kubernetes. */
export function isPublic(path: string): boolean {
  return publicPaths.includes(path);
}

/** Version, discovery and OpenAPI: what the server says about itself. Made when first asked for, and kept. */
export class Documents {
  readonly #definitions: ResourceDefinition[];
  readonly #made = new Map<string, Document | undefined>();

  constructor(definitions: ResourceDefinition[]) {
    this.#definitions = definitions;
  }

  /** @returns undefined when there is no document of this path */
  find(path: string, headers: IncomingHttpHeaders): Document | undefined {
    const discovery = path === "/api" || path === "/apis" ? acceptedDiscovery(headers.accept) : undefined;
    const wantsProtobuf = path === "/openapi/v2" && (headers.accept ?? "").includes("proto-openapi.spec.v2");
    const key = `${path} ${discovery ?? ""} ${wantsProtobuf}`;
    const known = this.#made.get(key);
    if (known) return known;
    const made = discovery
      ? json(
          aggregatedDiscovery(path as "/api" | "/apis", this.#definitions, discovery),
          aggregatedContentType(discovery),
        )
      : wantsProtobuf
        ? { contentType: openapiV2ProtobufType, bytes: openapiV2Protobuf(this.#definitions) }
        : this.#plain(path);
    // Only what exists is kept: there is no end of paths that do not.
    if (made) this.#made.set(key, made);
    return made;
  }

  #plain(path: string): Document | undefined {
    const segments = path.split("/").slice(1);
    if (path === "/version") return json(version);
    if (path === "/api") return json(apiVersions());
    if (path === "/apis") return json(apiGroups(this.#definitions));
    if (path === "/openapi/v2") return json(openapiV2Json(this.#definitions));
    if (path === "/openapi/v3") return json(openapiV3Index(this.#definitions));
    if (path.startsWith("/openapi/v3/")) return json(openapiV3(segments.slice(3).join("/"), this.#definitions));
    if (segments[0] === "apis" && segments.length === 2) return json(apiGroup(segments[1] ?? "", this.#definitions));
    if (segments[0] === "apis" && segments.length === 3) {
      return json(resourceList(segments.slice(1).join("/"), this.#definitions));
    }
    if (segments[0] === "api" && segments.length === 2) return json(resourceList(segments[1] ?? "", this.#definitions));
    return undefined;
  }
}

function json(value: object): Document;
function json(value: object | undefined, contentType?: string): Document | undefined;
function json(value: object | undefined, contentType = "application/json"): Document | undefined {
  return value && { contentType, bytes: Buffer.from(JSON.stringify(value)) };
}
