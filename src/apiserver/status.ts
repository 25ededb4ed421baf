import { type KubernetesObject, qualifiedResource } from "./resource.ts";

/** One reason why a request failed, as `Status.details.causes` carries it. */
export interface Cause {
  reason: string;
  message: string;
  field: string;
}

interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: { reason: string; message: string; field?: string }[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: Record<string, never>;
  status: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

interface NamedResource {
  group: string;
  plural: string;
}

/** A failure that is answered as a Kubernetes `Status`, with its HTTP code and its stable reason. */
export class StatusError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = "StatusError";
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  toStatus(): Status {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details && { details: this.details }),
      code: this.code,
    };
  }
}

function named(resource: NamedResource, name: string): StatusDetails {
  return { name, ...(resource.group !== "" && { group: resource.group }), kind: resource.plural };
}

export const unauthorized = () => new StatusError(401, "Unauthorized", "Unauthorized");

export const badRequest = (message: string) => new StatusError(400, "BadRequest", message);

export const notFound = (resource: NamedResource, name: string) =>
  new StatusError(404, "NotFound", `${qualifiedResource(resource)} "${name}" not found`, named(resource, name));

export const unknownPath = () =>
  new StatusError(404, "NotFound", "the server could not find the requested resource", {});

export function alreadyExists(resource: NamedResource, { metadata }: KubernetesObject): StatusError {
  const { name, deletionTimestamp } = metadata;
  const goingAway = deletionTimestamp === undefined ? "" : "object is being deleted: ";
  const message = `${goingAway}${qualifiedResource(resource)} "${name}" already exists`;
  return new StatusError(409, "AlreadyExists", message, named(resource, name));
}

export const conflict = (resource: NamedResource, name: string, cause: string) =>
  new StatusError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualifiedResource(resource)} "${name}": ${cause}`,
    named(resource, name),
  );

export const forbidden = (resource: NamedResource, name: string, cause: string, details?: StatusDetails) =>
  new StatusError(403, "Forbidden", `${qualifiedResource(resource)} "${name}" is forbidden: ${cause}`, {
    ...named(resource, name),
    ...details,
  });

export const expired = (message: string) => new StatusError(410, "Expired", message);

export const methodNotAllowed = () =>
  new StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});

export const notAcceptable = (supported: string[]) =>
  new StatusError(406, "NotAcceptable", `only the following media types are accepted: ${supported.join(", ")}`);

export const unsupportedMediaType = (message: string) => new StatusError(415, "UnsupportedMediaType", message);

export const tooLarge = (limitBytes: number) =>
  new StatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${limitBytes} bytes`);

/** 422 with the causes, in the sentence kubectl users know: `Kind.group "name" is invalid: field: message`. */
export function invalid(resource: { group: string; kind: string }, name: string, causes: Cause[]): StatusError {
  const kind = resource.group === "" ? resource.kind : `${resource.kind}.${resource.group}`;
  const sentences = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const message = sentences.length === 1 ? sentences[0] : `[${sentences.join(", ")}]`;
  return new StatusError(422, "Invalid", `${kind} "${name}" is invalid: ${message}`, {
    name,
    ...(resource.group !== "" && { group: resource.group }),
    kind: resource.kind,
    causes,
  });
}

/** An option of a request (ListOptions, CreateOptions …) with a value that is not allowed. */
export const invalidOption = (kind: string, field: string, message: string, reason = "FieldValueNotSupported") =>
  invalid({ group: "meta.k8s.io", kind }, "", [{ reason, message, field }]);

/** What a JSON patch answers that cannot be applied, such as a failed `test`. */
export const unprocessablePatch = (message: string) =>
  new StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {
    causes: [{ reason: "UnexpectedServerResponse", message }],
  });

/** A resourceVersion from the future: the store it came from was newer than this one. */
export const resourceVersionTooLarge = (wanted: number, current: number) =>
  new StatusError(504, "Timeout", `Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });

export const internalError = (message: string) =>
  new StatusError(500, "InternalError", `Internal error occurred: ${message}`);

export const shuttingDown = () =>
  new StatusError(503, "ServiceUnavailable", "the server is shutting down", { retryAfterSeconds: 1 });
