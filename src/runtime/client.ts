import type { KubernetesObject, ObjectKey } from "../api/object.ts";
import type { Resource } from "../api/resources.ts";

export interface CallOptions {
  signal?: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  dryRun?: boolean;
}

export interface PatchOptions extends WriteOptions {
  /** Absent patches the main resource. */
  subresource?: "status";
}

export interface ListOptions extends CallOptions {
  /** Absent lists all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Objects a page; absent asks for all in one answer. */
  limit?: number;
  continueToken?: string;
  resourceVersion?: string;
}

export interface WatchOptions extends CallOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion: string;
  /** The server ends the watch after this many seconds. */
  timeoutSeconds?: number;
}

export interface ObjectList<T> {
  items: T[];
  resourceVersion: string;
  /** Present when there are more pages. */
  continueToken?: string;
}

export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: T }
  /** Only says that everything up to this resourceVersion was sent. */
  | { type: "BOOKMARK"; resourceVersion: string };

/** A JSON merge patch (RFC 7386): null removes, lists are replaced whole. */
export type MergePatch = { [field: string]: unknown };

/**
 * The one way to the API server. All calls reject with `ApiError` for an answer that is no success, and with the
 * signal's reason when aborted.
 */
export interface Client {
  get<T extends KubernetesObject>(resource: Resource<T>, key: ObjectKey, options?: CallOptions): Promise<T>;
  list<T extends KubernetesObject>(resource: Resource<T>, options?: ListOptions): Promise<ObjectList<T>>;
  create<T extends KubernetesObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Replaces the object; its `metadata.resourceVersion`, when present, must be the current one. */
  replace<T extends KubernetesObject>(resource: Resource<T>, object: T, options?: PatchOptions): Promise<T>;
  /** Merge patch. With `metadata.resourceVersion` in the patch a conflict is refused with 409. */
  patch<T extends KubernetesObject>(
    resource: Resource<T>,
    key: ObjectKey,
    patch: MergePatch,
    options?: PatchOptions,
  ): Promise<T>;
  delete<T extends KubernetesObject>(
    resource: Resource<T>,
    key: ObjectKey,
    options?: CallOptions & { uid?: string; resourceVersion?: string },
  ): Promise<void>;
  /** Ends without error when the server ends it; throws `ApiError` (410: relist) or the connection's error. */
  watch<T extends KubernetesObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

/** An answer of the API server that is no success. `reason` is the Status' reason, such as `Conflict` or `NotFound`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly reason: string;
  /** Seconds the server asks to wait before the next try. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.code === 404;
export const isConflict = (error: unknown): boolean => error instanceof ApiError && error.reason === "Conflict";
export const isAlreadyExists = (error: unknown): boolean =>
  error instanceof ApiError && error.reason === "AlreadyExists";
