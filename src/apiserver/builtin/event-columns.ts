import { isObject } from "../json.ts";
import type { JsonObject, KubernetesObject, PrinterColumn } from "../resource.ts";
import { humanAge } from "../table/human-age.ts";

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The age of the first of these times that is there. */
function age(times: string[], now: Date): string {
  return humanAge(
    times.find((time) => time !== ""),
    now,
  );
}

function part(object: KubernetesObject, field: string): JsonObject {
  const value = object[field];
  return isObject(value) ? value : {};
}

/** The columns of `kubectl get events`; the two views of events name their fields differently. */
export function eventColumns(
  subject: string,
  message: string,
  lastTime: string,
  firstTime: string,
  count: string,
  source: string,
): PrinterColumn[] {
  const first = (event: KubernetesObject) => text(event[firstTime]) || text(event.eventTime);
  const last = (event: KubernetesObject) => text(part(event, "series").lastObservedTime) || text(event[lastTime]);
  const column = (name: string, description: string, value: PrinterColumn["value"] & {}, priority = 0) => ({
    name,
    type: "string",
    description,
    priority,
    value,
  });
  return [
    column("Last Seen", "Time since it happened last", (event, now) => age([last(event), first(event)], now)),
    column("Type", "Normal or Warning", (event) => text(event.type)),
    column("Reason", "One word that says why", (event) => text(event.reason)),
    column("Object", "The object the event is about", (event) => {
      const { kind, name } = part(event, subject);
      return `${text(kind).toLowerCase()}/${text(name)}`;
    }),
    column("Subobject", "Part of the object", (event) => text(part(event, subject).fieldPath), 1),
    column("Source", "Who reports it", (event) => text(part(event, source).component), 1),
    column("Message", "A sentence for people", (event) => text(event[message]).trim()),
    column("First Seen", "Time since it happened first", (event, now) => age([first(event)], now), 1),
    column("Count", "How often it happened", (event) => Number(part(event, "series").count ?? event[count] ?? 1), 1),
    { ...column("Name", "Name of the event", (event) => event.metadata.name, 1), format: "name" },
  ];
}
