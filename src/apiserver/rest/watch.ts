import type { Clock } from "../../api/clock.ts";
import type { ServedResource } from "../registry/registry.ts";
import { apiVersionOf, type KubernetesObject } from "../resource.ts";
import type { ObjectSelector } from "../selectors.ts";
import { expired, resourceVersionTooLarge, type Status } from "../status.ts";
import type { Scope } from "../store/revisions.ts";
import type { Store, StoreEvent } from "../store/store.ts";

export interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: KubernetesObject;
}

/** Where a watch's events go. The connection behind it may end at any time; it aborts the watch's signal then. */
export interface WatchSink {
  event(event: WatchEvent): void;
  bookmark(bookmark: { apiVersion: string; kind: string; resourceVersion: string }): void;
  error(status: Status): void;
}

export interface WatchRequest {
  resource: ServedResource;
  /** All namespaces when it is undefined. */
  namespace: string | undefined;
  selects: ObjectSelector | undefined;
  /** Undefined or 0: begin with what exists now. */
  resourceVersion: number | undefined;
  bookmarks: boolean;
  timeoutSeconds: number;
}

/** Also keeps alive the clients that take half a minute of silence for a broken connection. */
const bookmarkMilliseconds = 15_000;

/**
 * Sends what happens to objects until the time is over or the signal is aborted; then resolves.
 *
 * @param onAccepted called before the first event, when the request has turned out to be good
 * @throws StatusError 504 when the resourceVersion is yet to come
 */
export async function watchObjects(
  store: Store,
  clock: Clock,
  request: WatchRequest,
  sink: WatchSink,
  signal: AbortSignal,
  onAccepted: () => void,
): Promise<void> {
  await store.settled();
  const { resource, namespace, resourceVersion: since } = request;
  if (since !== undefined && since > store.revision) throw resourceVersionTooLarge(since, store.revision);
  onAccepted();
  if (since && since < store.revisions.compacted()) {
    const oldest = store.revisions.compacted();
    sink.error(expired(`too old resource version: ${since} (${oldest})`).toStatus());
    return;
  }
  const deliver = (event: StoreEvent) => {
    if (namespace !== undefined && (event.object.metadata.namespace ?? "") !== namespace) return;
    const selected = selectEvent(request, event);
    if (selected) sink.event(selected);
  };
  const scope = { resource: resource.storage, ...(namespace !== undefined && { namespace }) };
  // In one turn of the event loop with the subscription: nothing is missed and nothing is sent twice.
  if (since) for (const event of store.revisions.eventsAfter(scope, since)) deliver(event);
  else sendExisting(store, scope, request, sink);
  const unsubscribe = store.subscribe(resource.storage, deliver);
  try {
    await waitWithBookmarks(store, clock, request, sink, signal);
  } finally {
    unsubscribe();
  }
}

function sendExisting(store: Store, scope: Scope, request: WatchRequest, sink: WatchSink): void {
  for (const stored of store.revisions.list(scope, store.revision)) {
    const object = request.resource.fromStored(stored);
    if (request.selects?.(object) ?? true) sink.event({ type: "ADDED", object });
  }
}

/** The event as a watch with this selector sees it: an object that leaves the selection is deleted for it. */
function selectEvent(request: WatchRequest, event: StoreEvent): WatchEvent | undefined {
  const { fromStored } = request.resource;
  const object = fromStored(event.object);
  const previous = event.previous && fromStored(event.previous);
  const selects = request.selects ?? (() => true);
  if (event.type === "DELETED") {
    return selects(previous ?? object) ? { type: "DELETED", object } : undefined;
  }
  const was = previous !== undefined && selects(previous);
  if (selects(object)) return { type: was ? "MODIFIED" : "ADDED", object };
  if (!was) return undefined;
  const { resourceVersion } = event.object.metadata;
  return { type: "DELETED", object: { ...previous, metadata: { ...previous.metadata, resourceVersion } } };
}

async function waitWithBookmarks(
  store: Store,
  clock: Clock,
  request: WatchRequest,
  sink: WatchSink,
  signal: AbortSignal,
): Promise<void> {
  const { definition } = request.resource;
  const sendBookmark = () => {
    if (!request.bookmarks) return;
    const resourceVersion = String(store.revision);
    sink.bookmark({ apiVersion: apiVersionOf(definition), kind: definition.kind, resourceVersion });
  };
  const end = clock.monotonicMilliseconds() + request.timeoutSeconds * 1000;
  for (let left = request.timeoutSeconds * 1000; left > 0; left = end - clock.monotonicMilliseconds()) {
    try {
      await clock.sleep(Math.min(left, bookmarkMilliseconds), signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    sendBookmark();
  }
}
