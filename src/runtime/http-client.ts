import { StringDecoder } from "node:string_decoder";
import type { KubernetesObject, ObjectKey } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";
import type {
  CallOptions,
  Client,
  ListOptions,
  MergePatch,
  ObjectList,
  PatchOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./client.ts";
import { ConnectionError, HttpTransport, type HttpTransportOptions, toApiError } from "./http-transport.ts";

/** Who we are in `managedFields`. */
const fieldManager = "vacate";
/** etcd takes objects of 1.5 MB; a line that does not end is no event. */
const longestLineCharacters = 16 * 1024 * 1024;

interface ListBody<T> {
  metadata?: { resourceVersion?: string; continue?: string };
  items?: T[];
}

/** The Kubernetes API over HTTP. Writes ask for strict validation: an unknown field is an error, never dropped silently. */
export class HttpClient implements Client {
  readonly #transport: HttpTransport;

  constructor(options: HttpTransportOptions) {
    this.#transport = new HttpTransport(options);
  }

  /** Breaks all connections; watches end with an error. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  async get<T extends KubernetesObject>(resource: Resource<T>, key: ObjectKey, options: CallOptions = {}): Promise<T> {
    const path = objectPath(resource, key);
    return (await this.#transport.sendForJson({ method: "GET", path, signal: options.signal })) as T;
  }

  async list<T extends KubernetesObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const query = {
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
      limit: options.limit?.toString(),
      continue: options.continueToken,
      resourceVersion: options.resourceVersion,
    };
    const path = collectionPath(resource, options.namespace);
    const body = (await this.#transport.sendForJson({
      method: "GET",
      path,
      query,
      signal: options.signal,
    })) as ListBody<T>;
    const continueToken = body.metadata?.continue;
    return {
      // Servers leave kind and apiVersion out of the items of their built-in kinds.
      items: (body.items ?? []).map((item) => ({ ...item, apiVersion: apiVersion(resource), kind: resource.kind })),
      resourceVersion: body.metadata?.resourceVersion ?? "",
      ...(continueToken ? { continueToken } : {}),
    };
  }

  async create<T extends KubernetesObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const path = collectionPath(resource, requiredNamespace(resource, object.metadata));
    const query = writeQuery(options);
    const { signal } = options;
    return (await this.#transport.sendForJson({ method: "POST", path, query, body: object, signal })) as T;
  }

  async replace<T extends KubernetesObject>(resource: Resource<T>, object: T, options: PatchOptions = {}): Promise<T> {
    const path = objectPath(resource, object.metadata, options.subresource);
    const query = writeQuery(options);
    const { signal } = options;
    return (await this.#transport.sendForJson({ method: "PUT", path, query, body: object, signal })) as T;
  }

  async patch<T extends KubernetesObject>(
    resource: Resource<T>,
    key: ObjectKey,
    patch: MergePatch,
    options: PatchOptions = {},
  ): Promise<T> {
    const request = {
      method: "PATCH",
      path: objectPath(resource, key, options.subresource),
      query: writeQuery(options),
      body: patch,
      contentType: "application/merge-patch+json",
      signal: options.signal,
    } as const;
    return (await this.#transport.sendForJson(request)) as T;
  }

  async delete<T extends KubernetesObject>(
    resource: Resource<T>,
    key: ObjectKey,
    options: CallOptions & { uid?: string; resourceVersion?: string } = {},
  ): Promise<void> {
    const { uid, resourceVersion, signal } = options;
    const preconditions =
      uid === undefined && resourceVersion === undefined ? {} : { preconditions: { uid, resourceVersion } };
    const body = { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy: "Background", ...preconditions };
    await this.#transport.sendForJson({ method: "DELETE", path: objectPath(resource, key), body, signal });
  }

  async *watch<T extends KubernetesObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { signal } = options;
    const query = {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: options.resourceVersion,
      timeoutSeconds: options.timeoutSeconds?.toString(),
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
    };
    const path = collectionPath(resource, options.namespace);
    const body = await this.#transport.sendForStream({ method: "GET", path, query, signal });
    try {
      for await (const line of lines(body)) {
        signal?.throwIfAborted();
        yield toWatchEvent<T>(line);
      }
      signal?.throwIfAborted();
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      body.destroy();
    }
  }
}

/** The lines of a stream, read only as fast as they are taken. Throws when the last one has no end. */
async function* lines(stream: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.write(chunk)).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > longestLineCharacters) throw new ConnectionError("watch sent a line without an end");
    for (const part of parts) if (part !== "") yield part;
  }
  if (rest !== "") throw new ConnectionError("watch ended in the middle of an event");
}

function toWatchEvent<T extends KubernetesObject>(line: string): WatchEvent<T> {
  const event = parseEvent(line);
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type: event.type, object: event.object as T };
    case "BOOKMARK":
      return { type: "BOOKMARK", resourceVersion: (event.object as T).metadata.resourceVersion ?? "" };
    case "ERROR":
      throw toApiError(500, JSON.stringify(event.object));
    default:
      throw new ConnectionError(`watch sent an event of unknown type ${JSON.stringify(event.type)}`);
  }
}

function parseEvent(line: string): { type: string; object: unknown } {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new ConnectionError(`watch sent a line that is no JSON: ${JSON.stringify(line.slice(0, 60))}`, { cause });
  }
}

function writeQuery(options: WriteOptions): Record<string, string | undefined> {
  return { fieldManager, fieldValidation: "Strict", dryRun: options.dryRun ? "All" : undefined };
}

function apiVersion(resource: Resource): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

function collectionPath(resource: Resource, namespace: string | undefined): string {
  const root = resource.group === "" ? "/api" : "/apis";
  const scope = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}/${apiVersion(resource)}${scope}/${resource.plural}`;
}

function objectPath(resource: Resource, key: ObjectKey, subresource?: string): string {
  if (key.name === "") throw new RangeError(`${resource.kind} has no name`);
  const path = `${collectionPath(resource, requiredNamespace(resource, key))}/${encodeURIComponent(key.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

function requiredNamespace(resource: Resource, key: ObjectKey): string | undefined {
  if (!resource.namespaced) return undefined;
  if (key.namespace === undefined) throw new RangeError(`${resource.kind} ${key.name} has no namespace`);
  return key.namespace;
}
