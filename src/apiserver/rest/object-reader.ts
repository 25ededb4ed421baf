import { isObject } from "../json.ts";
import type { ServedResource } from "../registry/registry.ts";
import type { KubernetesObject } from "../resource.ts";
import { type ObjectSelector, parseSelectors } from "../selectors.ts";
import { badRequest, expired, notFound, resourceVersionTooLarge } from "../status.ts";
import type { Position } from "../store/revisions.ts";
import type { Store } from "../store/store.ts";

export interface ListMeta {
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
}

export interface ObjectList {
  items: KubernetesObject[];
  metadata: ListMeta;
}

/** Where a page of a list goes on: the snapshot's revision and the last object already answered. */
interface Continuation {
  revision: number;
  after: Position;
}

/** Reads objects in their served form. */
export class ObjectReader {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws StatusError 404 */
  async get(resource: ServedResource, namespace: string, name: string): Promise<KubernetesObject> {
    const stored = await this.#store.get({ resource: resource.storage, namespace, name });
    if (!stored) throw notFound(resource.definition, name);
    return resource.fromStored(stored);
  }

  /**
   * Lists a namespace, or all of them when `namespace` is undefined. All pages show the state of one moment.
   *
   * @throws StatusError 400 for what cannot be read, 410 when the snapshot is no longer there, 504 when it is yet to come
   */
  async list(resource: ServedResource, namespace: string | undefined, query: URLSearchParams): Promise<ObjectList> {
    const selects = readSelectors(resource, query);
    const limit = readCount(query, "limit");
    await this.#store.settled();
    const { revision, after } = this.#snapshot(query);
    const scope = { resource: resource.storage, ...(namespace !== undefined && { namespace }) };
    const items: KubernetesObject[] = [];
    for (const stored of this.#store.revisions.list(scope, revision, after)) {
      const object = resource.fromStored(stored);
      if (selects && !selects(object)) continue;
      if (limit === 0 || items.length < limit) {
        items.push(object);
        continue;
      }
      const last = positionOf(items.at(-1));
      const remaining = selects ? {} : { remainingItemCount: this.#store.revisions.count(scope, revision, last) };
      const token = encodeContinuation({ revision, after: last });
      return { items, metadata: { resourceVersion: String(revision), continue: token, ...remaining } };
    }
    return { items, metadata: { resourceVersion: String(revision) } };
  }

  #snapshot(query: URLSearchParams): Continuation {
    const current = this.#store.revision;
    const token = query.get("continue");
    const wanted = readResourceVersion(query);
    if (token) {
      if (wanted) throw badRequest("specifying resource version is not allowed when using continue");
      const continuation = decodeContinuation(token);
      this.#checkAvailable(
        continuation.revision,
        "The provided continue parameter is too old to display a consistent list result",
      );
      return continuation;
    }
    const start = { namespace: "", name: "" };
    if (wanted === undefined) return { revision: current, after: start };
    if (wanted > current) throw resourceVersionTooLarge(wanted, current);
    if (query.get("resourceVersionMatch") !== "Exact") return { revision: current, after: start };
    this.#checkAvailable(wanted, `The provided resource version is too old: ${wanted}`);
    return { revision: wanted, after: start };
  }

  #checkAvailable(revision: number, message: string): void {
    if (revision < this.#store.revisions.compacted()) throw expired(message);
    if (revision > this.#store.revision) throw resourceVersionTooLarge(revision, this.#store.revision);
  }
}

/** @throws StatusError 400 */
export function readSelectors(resource: ServedResource, query: URLSearchParams): ObjectSelector | undefined {
  const fields = resource.behaviour.selectableFields ?? [];
  return parseSelectors(query.get("labelSelector"), query.get("fieldSelector"), fields);
}

/** @returns undefined when it is absent or empty. @throws StatusError 400 */
export function readResourceVersion(query: URLSearchParams): number | undefined {
  const text = query.get("resourceVersion");
  if (!text) return undefined;
  const revision = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(revision)) return revision;
  throw badRequest(`resourceVersion: Invalid value: ${JSON.stringify(text)}: must be an unsigned integer`);
}

/** @returns 0 when it is absent. @throws StatusError 400 */
export function readCount(query: URLSearchParams, parameter: string): number {
  const text = query.get(parameter) ?? "0";
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw badRequest(`${parameter}: Invalid value: ${JSON.stringify(text)}: must be a non-negative integer`);
}

function positionOf(object: KubernetesObject | undefined): Position {
  return { namespace: object?.metadata.namespace ?? "", name: object?.metadata.name ?? "" };
}

function encodeContinuation({ revision, after }: Continuation): string {
  const token = { v: "meta.k8s.io/v1", rv: revision, namespace: after.namespace, name: after.name };
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

function decodeContinuation(token: string): Continuation {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (isObject(decoded) && Number.isSafeInteger(decoded.rv)) {
      const after = { namespace: String(decoded.namespace), name: String(decoded.name) };
      return { revision: Number(decoded.rv), after };
    }
  } catch {
    // Answered below: whatever it was, it is no token of ours.
  }
  throw badRequest("continue key is not valid: it must be the token of the previous page");
}
