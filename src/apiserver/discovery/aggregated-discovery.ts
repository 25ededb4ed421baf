import type { ResourceDefinition } from "../resource.ts";
import { statusVerbs, versionsOf } from "./discovery.ts";

export type DiscoveryVersion = "v2" | "v2beta1";

/** All groups and resources in one answer, as newer clients ask for. */
export interface ApiGroupDiscoveryList {
  kind: "APIGroupDiscoveryList";
  apiVersion: string;
  metadata: Record<string, never>;
  items: GroupDiscovery[];
}

interface GroupDiscovery {
  metadata: { name?: string; creationTimestamp: null };
  versions: { version: string; freshness: "Current"; resources: ResourceDiscovery[] }[];
}

interface ResponseKind {
  group: string;
  version: string;
  kind: string;
}

interface ResourceDiscovery {
  resource: string;
  responseKind: ResponseKind;
  scope: "Namespaced" | "Cluster";
  singularResource: string;
  verbs: string[];
  shortNames?: string[];
  categories?: string[];
  subresources?: { subresource: string; responseKind: ResponseKind; verbs: string[] }[];
}

/**
 * The aggregated answer to `GET /api` (the core group) or `GET /apis` (all others).
 *
 * @param version the version of apidiscovery.k8s.io that the client accepts
 */
export function aggregatedDiscovery(
  root: "/api" | "/apis",
  definitions: readonly ResourceDefinition[],
  version: DiscoveryVersion,
): ApiGroupDiscoveryList {
  const groups = [...new Set(definitions.map((definition) => definition.group))];
  const wanted = groups.filter((group) => (group === "") === (root === "/api"));
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: wanted.map((group) => groupDiscovery(group, definitions)),
  };
}

/** The media type of the aggregated answer, by which clients tell it from the plain one. */
export function aggregatedContentType(version: DiscoveryVersion): string {
  return `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
}

/** The version of the aggregated answer that an Accept header prefers to the plain one; undefined when it does not. */
export function acceptedDiscovery(accept: string | undefined): DiscoveryVersion | undefined {
  for (const range of (accept ?? "").split(",")) {
    const [type, ...parameters] = range.split(";").map((part) => part.trim());
    if (type !== "application/json") continue;
    if (!parameters.includes("as=APIGroupDiscoveryList")) return undefined;
    if (parameters.includes("v=v2")) return "v2";
    if (parameters.includes("v=v2beta1")) return "v2beta1";
  }
  return undefined;
}

function groupDiscovery(group: string, definitions: readonly ResourceDefinition[]): GroupDiscovery {
  return {
    metadata: { ...(group !== "" && { name: group }), creationTimestamp: null },
    versions: versionsOf(group, definitions).map((version) => ({
      version,
      freshness: "Current",
      resources: definitions
        .filter((definition) => definition.group === group && definition.version === version)
        .map(resourceDiscovery),
    })),
  };
}

function resourceDiscovery(definition: ResourceDefinition): ResourceDiscovery {
  const { group, version, kind, shortNames, categories } = definition;
  const responseKind = { group, version, kind };
  return {
    resource: definition.plural,
    responseKind,
    scope: definition.namespaced ? "Namespaced" : "Cluster",
    singularResource: definition.singular,
    verbs: [...definition.verbs],
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(definition.hasStatus && {
      subresources: [{ subresource: "status", responseKind, verbs: [...statusVerbs] }],
    }),
  };
}
