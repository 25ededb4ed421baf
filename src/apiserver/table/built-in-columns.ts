import type { KubernetesObject, PrinterColumn } from "../resource.ts";
import { humanAge } from "./human-age.ts";

const name: PrinterColumn = { name: "Name", type: "string", format: "name", jsonPath: ".metadata.name" };
const age: PrinterColumn = {
  name: "Age",
  type: "string",
  value: (object, now) => humanAge(object.metadata.creationTimestamp, now),
};

/** How many entries a map such as `data` has. */
function countOf(...fields: string[]): (object: KubernetesObject) => number {
  return (object) => fields.reduce((sum, field) => sum + Object.keys((object[field] as object | null) ?? {}).length, 0);
}

/** The columns of the built-in kinds by plural name, as kube-apiserver lays them out. */
export const builtInColumns: Readonly<Record<string, PrinterColumn[]>> = {
  namespaces: [name, { name: "Status", type: "string", jsonPath: ".status.phase" }, age],
  secrets: [
    name,
    { name: "Type", type: "string", jsonPath: ".type" },
    { name: "Data", type: "string", value: (object) => String(countOf("data")(object)) },
    age,
  ],
  configmaps: [
    name,
    { name: "Data", type: "string", value: (object) => String(countOf("data", "binaryData")(object)) },
    age,
  ],
  leases: [name, { name: "Holder", type: "string", jsonPath: ".spec.holderIdentity" }, age],
  events: eventColumns(),
};

/** The fields of an Event that the columns show; both the core and the events.k8s.io way of counting occur. */
interface EventFields {
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  firstTimestamp?: string | null;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  series?: { count?: number; lastObservedTime?: string } | null;
  involvedObject?: { kind?: string; name?: string; fieldPath?: string };
  source?: { component?: string; host?: string };
  reportingComponent?: string;
}

function eventColumns(): PrinterColumn[] {
  const text = (column: string, value: (event: EventFields, now: Date) => string, priority = 0): PrinterColumn => ({
    name: column,
    type: "string",
    priority,
    value: (object, now) => value(object as unknown as EventFields, now),
  });
  return [
    text("Last Seen", (event, now) => humanAge(lastSeen(event), now)),
    text("Type", (event) => event.type ?? ""),
    text("Reason", (event) => event.reason ?? ""),
    text("Object", involvedObject),
    text("Subobject", (event) => event.involvedObject?.fieldPath ?? "", 1),
    text("Source", source, 1),
    text("Message", (event) => (event.message ?? "").trim()),
    text("First Seen", (event, now) => humanAge(firstSeen(event), now), 1),
    {
      name: "Count",
      type: "string",
      priority: 1,
      value: (object) => {
        const event = object as unknown as EventFields;
        return event.series?.count || event.count || 1;
      },
    },
    { ...name, priority: 1 },
  ];
}

function firstSeen(event: EventFields): string | null | undefined {
  return event.firstTimestamp ?? event.eventTime;
}

function lastSeen(event: EventFields): string | null | undefined {
  return event.series?.lastObservedTime ?? event.lastTimestamp ?? firstSeen(event);
}

function involvedObject(event: EventFields): string {
  const kind = event.involvedObject?.kind?.toLowerCase() ?? "";
  return event.involvedObject?.name ? `${kind}/${event.involvedObject.name}` : kind;
}

function source(event: EventFields): string {
  const parts = [event.source?.component || event.reportingComponent, event.source?.host];
  return parts.filter(Boolean).join(", ");
}
