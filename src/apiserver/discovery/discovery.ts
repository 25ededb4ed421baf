import { apiVersionOf, type ResourceDefinition } from "../resource.ts";

interface GroupVersion {
  groupVersion: string;
  version: string;
}

/** One group and its versions, the preferred one first: the order in which the definitions name them. */
export interface ApiGroup {
  kind: "APIGroup";
  apiVersion: "v1";
  name: string;
  versions: GroupVersion[];
  preferredVersion: GroupVersion;
}

export interface ApiGroupList {
  kind: "APIGroupList";
  apiVersion: "v1";
  groups: Omit<ApiGroup, "kind" | "apiVersion">[];
}

interface ApiResource {
  name: string;
  singularName: string;
  namespaced: boolean;
  kind: string;
  verbs: string[];
  shortNames?: string[];
  categories?: string[];
}

export interface ApiResourceList {
  kind: "APIResourceList";
  apiVersion: "v1";
  groupVersion: string;
  resources: ApiResource[];
}

/** What can be done with `/status`. */
export const statusVerbs: readonly string[] = ["get", "patch", "update"];

/** The answer to `GET /api`. */
export function apiVersions(): object {
  return { kind: "APIVersions", apiVersion: "v1", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

/** The answer to `GET /apis`: every group but the core one. */
export function apiGroups(definitions: readonly ResourceDefinition[]): ApiGroupList {
  const names = [...new Set(definitions.map((definition) => definition.group))].filter((name) => name !== "");
  const groups = names.flatMap((name) => apiGroup(name, definitions) ?? []);
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: groups.map(({ name, versions, preferredVersion }) => ({ name, versions, preferredVersion })),
  };
}

/** The answer to `GET /apis/{group}`; undefined when no definition is of that group. */
export function apiGroup(name: string, definitions: readonly ResourceDefinition[]): ApiGroup | undefined {
  const names = versionsOf(name, definitions);
  const versions = names.map((version) => ({ groupVersion: apiVersionOf({ group: name, version }), version }));
  const preferredVersion = versions[0];
  return preferredVersion && { kind: "APIGroup", apiVersion: "v1", name, versions, preferredVersion };
}

/** The versions of a group in the order in which the definitions name them. */
export function versionsOf(group: string, definitions: readonly ResourceDefinition[]): string[] {
  const ofGroup = definitions.filter((definition) => definition.group === group);
  return [...new Set(ofGroup.map((definition) => definition.version))];
}

/** The answer to `GET /apis/{group}/{version}`; undefined when nothing of it is served. */
export function resourceList(
  groupVersion: string,
  definitions: readonly ResourceDefinition[],
): ApiResourceList | undefined {
  const served = definitions.filter((definition) => apiVersionOf(definition) === groupVersion);
  if (served.length === 0) return undefined;
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources: served.flatMap(apiResources) };
}

function apiResources(definition: ResourceDefinition): ApiResource[] {
  const { plural, singular, kind, namespaced, verbs, shortNames, categories, hasStatus } = definition;
  const resource: ApiResource = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: [...verbs],
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
  };
  if (!hasStatus) return [resource];
  return [resource, { name: `${plural}/status`, singularName: "", namespaced, kind, verbs: [...statusVerbs] }];
}
