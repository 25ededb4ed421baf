import { apiVersionOf, type ResourceDefinition, type Verb } from "../resource.ts";

type Method = "get" | "put" | "post" | "delete" | "patch";

interface Parameter {
  name: string;
  in: "query" | "path";
  type: "string" | "boolean" | "integer";
  description: string;
}

/** One thing that can be done at one path, whatever the version of the document. */
export interface Operation {
  path: string;
  method: Method;
  /** The word of `x-kubernetes-action`. */
  action: string;
  id: string;
  description: string;
  definition: ResourceDefinition;
  parameters: Parameter[];
  /** Media types of the request's body; empty when it has none. */
  consumes: string[];
}

const query = (name: string, type: Parameter["type"], description: string): Parameter => ({
  name,
  in: "query",
  type,
  description,
});

const dryRun = query(
  "dryRun",
  "string",
  "With the value All the request is checked and answered but nothing is stored.",
);
const writeParameters = [
  dryRun,
  query("fieldManager", "string", "Name of the one who writes. It is not recorded by this server."),
  query("fieldValidation", "string", "What unknown fields do: Ignore, Warn (a warning header) or Strict (an error)."),
];
const force = query("force", "boolean", "Belongs to server-side apply, which this server refuses.");
const deleteParameters = [
  dryRun,
  query("gracePeriodSeconds", "integer", "Seconds given to end gracefully."),
  query("propagationPolicy", "string", "What happens to dependents: Background or Orphan."),
];
const selectionParameters = [
  query("labelSelector", "string", "Restricts the objects by their labels."),
  query("fieldSelector", "string", "Restricts the objects by their fields, such as metadata.name=one."),
];
const listParameters = [
  ...selectionParameters,
  query("limit", "integer", "Largest number of objects in one answer."),
  query("continue", "string", "Token of the previous answer, to go on from there."),
  query("resourceVersion", "string", "The version to list at, or to watch from."),
  query("resourceVersionMatch", "string", "How resourceVersion is meant."),
  query("watch", "boolean", "Sends changes as they happen instead of a list."),
  query("allowWatchBookmarks", "boolean", "Sends bookmarks on a watch."),
  query("timeoutSeconds", "integer", "Seconds after which the server ends the request."),
];

interface Action {
  verb: Verb;
  method: Method;
  action: string;
  parameters: Parameter[];
  hasBody?: boolean;
}

const collectionActions: Action[] = [
  { verb: "list", method: "get", action: "list", parameters: listParameters },
  { verb: "create", method: "post", action: "post", parameters: writeParameters, hasBody: true },
  {
    verb: "deletecollection",
    method: "delete",
    action: "deletecollection",
    parameters: [...deleteParameters, ...selectionParameters],
  },
];
const readAndWrite: Action[] = [
  { verb: "get", method: "get", action: "get", parameters: [] },
  { verb: "update", method: "put", action: "put", parameters: writeParameters, hasBody: true },
  { verb: "patch", method: "patch", action: "patch", parameters: [...writeParameters, force], hasBody: true },
];
const itemActions: Action[] = [
  ...readAndWrite,
  { verb: "delete", method: "delete", action: "delete", parameters: deleteParameters },
];

/** Everything that can be done with a kind, path by path. */
export function operationsOf(definition: ResourceDefinition): Operation[] {
  const root = definition.group === "" ? "/api" : "/apis";
  const base = `${root}/${apiVersionOf(definition)}`;
  const collection = definition.namespaced
    ? `${base}/namespaces/{namespace}/${definition.plural}`
    : `${base}/${definition.plural}`;
  const everywhere = definition.namespaced
    ? operationsAt(definition, `${base}/${definition.plural}`, collectionActions.slice(0, 1), "ForAllNamespaces")
    : [];
  return [
    ...everywhere,
    ...operationsAt(definition, collection, collectionActions, ""),
    ...operationsAt(definition, `${collection}/{name}`, itemActions, ""),
    ...(definition.hasStatus ? operationsAt(definition, `${collection}/{name}/status`, readAndWrite, "Status") : []),
  ];
}

function operationsAt(definition: ResourceDefinition, path: string, actions: Action[], suffix: string): Operation[] {
  return actions
    .filter((action) => definition.verbs.includes(action.verb))
    .map(({ verb, method, action, parameters, hasBody }) => ({
      path,
      method,
      action,
      id: `${verb}${idOf(definition)}${suffix}`,
      description: `${verb} ${definition.kind}${suffix === "Status" ? " status" : ""}`,
      definition,
      parameters: [...pathParameters(path), ...parameters],
      consumes: hasBody ? consumes(definition, verb) : [],
    }));
}

function consumes(definition: ResourceDefinition, verb: Verb): string[] {
  if (verb !== "patch") return ["application/json", "application/yaml"];
  const everyKind = ["application/json-patch+json", "application/merge-patch+json"];
  return definition.builtIn ? [...everyKind, "application/strategic-merge-patch+json"] : everyKind;
}

function pathParameters(path: string): Parameter[] {
  const known: Parameter[] = [
    { name: "namespace", in: "path", type: "string", description: "Namespace of the object." },
    { name: "name", in: "path", type: "string", description: "Name of the object." },
  ];
  return known.filter((parameter) => path.includes(`{${parameter.name}}`));
}

/** `VacateDevV1alpha1Reservation`: operation ids are unique in a document. */
function idOf({ group, version, kind }: ResourceDefinition): string {
  const words = [...(group === "" ? ["core"] : group.split(".")), version];
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("") + kind;
}
