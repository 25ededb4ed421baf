/** One reason why an object is refused, as in the `details.causes` of a Kubernetes Status. */
export interface Cause {
  reason: CauseReason;
  message: string;
  /** Path of the field, such as `spec.hosts[0].name`; `<nil>` for the object itself. */
  field: string;
}

export type CauseReason =
  | "FieldValueDuplicate"
  | "FieldValueForbidden"
  | "FieldValueInvalid"
  | "FieldValueNotSupported"
  | "FieldValueRequired"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueTypeInvalid";

/** What the server calls the object itself in a message. */
export function fieldName(path: string): string {
  return path === "" ? "<nil>" : path;
}

export function childPath(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

export function invalid(path: string, value: unknown, detail: string): Cause {
  return {
    reason: "FieldValueInvalid",
    message: `Invalid value: ${JSON.stringify(value)}: ${detail}`,
    field: fieldName(path),
  };
}
