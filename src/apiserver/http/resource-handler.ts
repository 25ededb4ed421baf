import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../api/clock.ts";
import { isObject } from "../json.ts";
import type { Registry, ServedResource } from "../registry/registry.ts";
import type { KubernetesObject, Verb } from "../resource.ts";
import type { FieldValidation } from "../rest/decode.ts";
import { readDeleteOptions } from "../rest/deletion.ts";
import { type ObjectReader, readCount, readResourceVersion, readSelectors } from "../rest/object-reader.ts";
import type { ObjectWriter, Subresource, WriteOptions, Written } from "../rest/object-writer.ts";
import { watchObjects } from "../rest/watch.ts";
import { badRequest, invalidOption, methodNotAllowed, StatusError, unknownPath } from "../status.ts";
import type { Store } from "../store/store.ts";
import { negotiate } from "./accept.ts";
import { type Body, parseObject, readBody } from "./body.ts";
import { patchChange } from "./patch-body.ts";
import { readIncludeObject, type View, viewList, viewObject } from "./representation.ts";
import type { ResourcePath } from "./request-path.ts";
import { WatchStream } from "./watch-stream.ts";

/** What is answered. Watches write to the response themselves and answer nothing. */
export interface Answer {
  code: number;
  body: unknown;
  warnings?: string[];
}

/** A request for a resource, its path already taken apart. */
export interface ResourceRequest {
  request: IncomingMessage;
  response: ServerResponse;
  path: ResourcePath;
  query: URLSearchParams;
  /** Aborted when the client goes away or the server stops. */
  signal: AbortSignal;
}

interface Dependencies {
  registry: Registry;
  store: Store;
  reader: ObjectReader;
  writer: ObjectWriter;
  clock: Clock;
}

/** A watch without timeoutSeconds ends after half an hour to an hour, so that clients do not all come back at once. */
const shortestWatchSeconds = 1800;

/** Turns HTTP requests for resources into reads and writes. */
export class ResourceHandler {
  readonly #registry: Registry;
  readonly #store: Store;
  readonly #reader: ObjectReader;
  readonly #writer: ObjectWriter;
  readonly #clock: Clock;

  constructor(dependencies: Dependencies) {
    this.#registry = dependencies.registry;
    this.#store = dependencies.store;
    this.#reader = dependencies.reader;
    this.#writer = dependencies.writer;
    this.#clock = dependencies.clock;
  }

  /** @throws StatusError */
  async handle(given: ResourceRequest): Promise<Answer | undefined> {
    const { path, query } = given;
    const resource = this.#registry.find(path.apiVersion, path.plural);
    if (!resource) throw unknownPath();
    checkScope(resource, path);
    const verb = verbOf(given.request.method ?? "", path, query);
    if (!verb || !resource.definition.verbs.includes(verb)) throw refuseVerb(resource);
    const subresource = readSubresource(resource, path);
    if (subresource && !["get", "update", "patch"].includes(verb)) throw methodNotAllowed();
    switch (verb) {
      case "get":
        return this.#get(resource, given);
      case "list":
        return this.#list(resource, given);
      case "watch":
        return this.#watch(resource, given);
      case "create":
        return this.#create(resource, given);
      case "update":
        return this.#update(resource, subresource, given);
      case "patch":
        return this.#patch(resource, subresource, given);
      case "delete":
        return this.#delete(resource, given);
      case "deletecollection":
        return this.#deleteCollection(resource, given);
    }
  }

  #view({ request, query }: ResourceRequest): View {
    const representation = negotiate(request.headers.accept);
    return { representation, includeObject: readIncludeObject(query), now: this.#clock.now() };
  }

  async #get(resource: ServedResource, given: ResourceRequest): Promise<Answer> {
    const view = this.#view(given);
    const { namespace, name } = addressOf(given.path);
    return { code: 200, body: viewObject(resource, await this.#reader.get(resource, namespace, name), view) };
  }

  async #list(resource: ServedResource, given: ResourceRequest): Promise<Answer> {
    const view = this.#view(given);
    refuseInitialEvents(given.query);
    const list = await this.#reader.list(resource, given.path.namespace, withName(given));
    return { code: 200, body: viewList(resource, list, view) };
  }

  async #watch(resource: ServedResource, given: ResourceRequest): Promise<undefined> {
    const { response, query, path, signal } = given;
    const view = this.#view(given);
    refuseInitialEvents(query);
    // A watch shows single objects, whatever list form was asked for.
    if (view.representation === "PartialObjectMetadataList") view.representation = "PartialObjectMetadata";
    const timeoutSeconds = readCount(query, "timeoutSeconds") || shortestWatchSeconds * (1 + Math.random());
    const watch = {
      resource,
      namespace: path.namespace,
      selects: readSelectors(resource, withName(given)),
      resourceVersion: readResourceVersion(query),
      bookmarks: readFlag(query, "allowWatchBookmarks"),
      timeoutSeconds,
    };
    const stream = new WatchStream(response, resource, view, () => this.#clock.now());
    await watchObjects(this.#store, this.#clock, watch, stream, signal, () => {
      response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
      response.flushHeaders();
    });
    response.end();
  }

  async #create(resource: ServedResource, given: ResourceRequest): Promise<Answer> {
    const view = this.#view(given);
    const options = readWriteOptions("CreateOptions", given.query);
    const { namespace } = addressOf(given.path);
    const raw = parseObject(await readBody(given.request));
    return this.#written(resource, 201, view, await this.#writer.create(resource, namespace, raw, options));
  }

  async #update(resource: ServedResource, subresource: Subresource, given: ResourceRequest): Promise<Answer> {
    const view = this.#view(given);
    const options = { ...readWriteOptions("UpdateOptions", given.query), unconditional: false };
    const raw = parseObject(await readBody(given.request));
    const address = addressOf(given.path);
    const written = await this.#writer.update(resource, address, subresource, () => raw, options);
    return this.#written(resource, 200, view, written);
  }

  async #patch(resource: ServedResource, subresource: Subresource, given: ResourceRequest): Promise<Answer> {
    const view = this.#view(given);
    const options = { ...readWriteOptions("PatchOptions", given.query), unconditional: true };
    const change = patchChange(resource.definition, await readBody(given.request));
    const written = await this.#writer.update(resource, addressOf(given.path), subresource, change, options);
    return this.#written(resource, 200, view, written);
  }

  #written(resource: ServedResource, code: number, view: View, { object, warnings }: Written): Answer {
    return { code, body: viewObject(resource, object, view), warnings };
  }

  async #delete(resource: ServedResource, given: ResourceRequest): Promise<Answer> {
    const view = this.#view(given);
    const options = readDeleteOptions(parseOptions(await readBody(given.request)), given.query);
    const { object, gone } = await this.#writer.delete(resource, addressOf(given.path), options);
    if (!gone) return { code: 200, body: viewObject(resource, object, view) };
    return { code: 200, body: deleted(resource, object) };
  }

  async #deleteCollection(resource: ServedResource, given: ResourceRequest): Promise<Answer> {
    const view = this.#view(given);
    const options = readDeleteOptions(parseOptions(await readBody(given.request)), given.query);
    const list = await this.#reader.list(resource, given.path.namespace, given.query);
    const deletions = list.items.map(({ metadata }) =>
      this.#writer
        .delete(resource, { namespace: metadata.namespace ?? "", name: metadata.name }, options)
        .catch((error) => {
          // Somebody else was faster; that is what was wanted.
          if (!(error instanceof StatusError) || error.code !== 404) throw error;
        }),
    );
    await Promise.all(deletions);
    return { code: 200, body: viewList(resource, list, view) };
  }
}

/** @throws StatusError 404 when a cluster-scoped kind is addressed within a namespace, or the other way round */
function checkScope(resource: ServedResource, path: ResourcePath): void {
  if (!resource.definition.namespaced && path.namespace !== undefined) throw unknownPath();
  if (resource.definition.namespaced && path.namespace === undefined && path.name !== undefined) throw unknownPath();
}

function verbOf(method: string, path: ResourcePath, query: URLSearchParams): Verb | undefined {
  const isOne = path.name !== undefined;
  switch (method) {
    case "GET":
      if (readFlag(query, "watch")) return "watch";
      return isOne ? "get" : "list";
    case "POST":
      return isOne ? undefined : "create";
    case "PUT":
      return isOne ? "update" : undefined;
    case "PATCH":
      return isOne ? "patch" : undefined;
    case "DELETE":
      return isOne ? "delete" : "deletecollection";
    default:
      return undefined;
  }
}

function refuseVerb(resource: ServedResource): StatusError {
  if (resource.definition.plural !== "customresourcedefinitions") return methodNotAllowed();
  const message = "customresourcedefinitions are read-only on this server: they are loaded when it starts";
  return new StatusError(405, "MethodNotAllowed", message, { kind: "customresourcedefinitions" });
}

function readSubresource(resource: ServedResource, path: ResourcePath): Subresource {
  if (path.subresource === undefined) return undefined;
  if (path.subresource !== "status" || !resource.definition.hasStatus) throw unknownPath();
  return "status";
}

function addressOf(path: ResourcePath): { namespace: string; name: string } {
  return { namespace: path.namespace ?? "", name: path.name ?? "" };
}

/** A watch of one object's own address is a watch with a field selector on its name. */
function withName({ path, query }: ResourceRequest): URLSearchParams {
  if (path.name === undefined) return query;
  const narrowed = new URLSearchParams(query);
  narrowed.set("fieldSelector", `metadata.name=${path.name}`);
  return narrowed;
}

function readFlag(query: URLSearchParams, parameter: string): boolean {
  const text = query.get(parameter);
  return text !== null && !["0", "false", "False", "f", "F", "FALSE"].includes(text);
}

function refuseInitialEvents(query: URLSearchParams): void {
  if (query.get("sendInitialEvents") === null) return;
  const message = "Forbidden: sendInitialEvents is not supported by this server: list first, then watch";
  throw invalidOption("ListOptions", "sendInitialEvents", message, "FieldValueForbidden");
}

const fieldValidations: FieldValidation[] = ["Strict", "Warn", "Ignore"];

/** @throws StatusError 422 */
function readWriteOptions(kind: string, query: URLSearchParams): WriteOptions {
  const dryRun = query.getAll("dryRun").filter((value) => value !== "");
  if (dryRun.some((value) => value !== "All")) {
    const message = `Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`;
    throw invalidOption(kind, "dryRun", message);
  }
  const text = query.get("fieldValidation") || "Warn";
  const fieldValidation = fieldValidations.find((known) => known === text);
  if (!fieldValidation) {
    const message = `Unsupported value: "${text}": supported values: "Ignore", "Strict", "Warn"`;
    throw invalidOption(kind, "fieldValidation", message);
  }
  return { dryRun: dryRun.length > 0, fieldValidation };
}

/** DeleteOptions, whose protobuf form is refused like every other. */
function parseOptions(body: Body): unknown {
  const options = parseObject(body);
  if (options !== undefined && !isObject(options)) throw badRequest("DeleteOptions must be an object");
  return options;
}

function deleted(resource: ServedResource, object: KubernetesObject) {
  const { group, plural } = resource.definition;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name: object.metadata.name, ...(group !== "" && { group }), kind: plural, uid: object.metadata.uid },
  };
}
