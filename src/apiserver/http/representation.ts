import type { ServedResource } from "../registry/registry.ts";
import { apiVersionOf, type KubernetesObject } from "../resource.ts";
import type { ListMeta, ObjectList } from "../rest/object-reader.ts";
import { badRequest, notAcceptable } from "../status.ts";
import { type IncludeObject, type Table, toTable } from "../table/table.ts";
import type { Representation } from "./accept.ts";

/** How one request wants its objects. */
export interface View {
  representation: Representation;
  includeObject: IncludeObject;
  now: Date;
}

const includeObjectValues: IncludeObject[] = ["None", "Metadata", "Object"];

/** @throws StatusError 400 */
export function readIncludeObject(query: URLSearchParams): IncludeObject {
  const text = query.get("includeObject") || "Metadata";
  const value = includeObjectValues.find((known) => known === text);
  if (value) return value;
  throw badRequest(`includeObject: Unsupported value: "${text}": supported values: ${includeObjectValues.join(", ")}`);
}

/** @throws StatusError 406 when a list representation is asked for one object */
export function viewObject(resource: ServedResource, object: KubernetesObject, view: View): unknown {
  if (view.representation === "PartialObjectMetadataList") throw notAcceptable(["application/json"]);
  if (view.representation === "PartialObjectMetadata") return partialMetadata(object);
  if (view.representation === "Object") return object;
  return table(resource, [object], { resourceVersion: object.metadata.resourceVersion }, view);
}

/** @throws StatusError 406 when the representation of one object is asked for a list */
export function viewList(resource: ServedResource, list: ObjectList, view: View): unknown {
  const { definition } = resource;
  if (view.representation === "PartialObjectMetadata") throw notAcceptable(["application/json"]);
  if (view.representation === "Table") return table(resource, list.items, list.metadata, view);
  if (view.representation === "PartialObjectMetadataList") {
    const items = list.items.map(partialMetadata);
    return { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata: list.metadata, items };
  }
  const apiVersion = apiVersionOf(definition);
  return { kind: definition.listKind, apiVersion, metadata: list.metadata, items: list.items };
}

function table(resource: ServedResource, objects: KubernetesObject[], metadata: ListMeta, view: View): Table {
  return { ...toTable(resource.definition, objects, view.includeObject, view.now), metadata };
}

function partialMetadata(object: KubernetesObject) {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}

interface Bookmark {
  apiVersion: string;
  kind: string;
  resourceVersion: string;
}

/** A bookmark in the form of the watch's other objects. It carries nothing but how far the watch is. */
export function viewBookmark(resource: ServedResource, bookmark: Bookmark, view: View): unknown {
  const { apiVersion, kind, resourceVersion } = bookmark;
  const metadata = { resourceVersion, creationTimestamp: null };
  if (view.representation === "Table") return table(resource, [], { resourceVersion }, view);
  if (view.representation === "Object") return { kind, apiVersion, metadata };
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
}
