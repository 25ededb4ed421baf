import { parseArgs } from "node:util";
import { systemClock } from "../api/clock.ts";
import { formatKey, type KubernetesObject, keyOf } from "../api/object.ts";
import type { Reservation } from "../api/resources.ts";
import { planStatus, startByOf } from "../controllers/reservation/plan-status.ts";
import { clusterOf, requestOf } from "../controllers/reservation/planning-input.ts";
import type { ReservationView } from "../controllers/reservation/view.ts";
import { admit, type Refusal } from "../planner/admission.ts";
import { explainPlan } from "../planner/explanation.ts";
import { planJson, refusalJson } from "../planview/plan-json.ts";
import { planSvg, refusalSvg } from "../planview/plan-svg.ts";
import { planTable, refusalText } from "../planview/plan-table.ts";
import { type PlanView, planView } from "../planview/plan-view.ts";
import { type ClusterObjects, clusterFromManifests, listCluster } from "./cluster-objects.ts";
import { ManifestReader, sourceName } from "./manifests.ts";
import { isUsageError, UsageError } from "./usage.ts";

const help = `usage: vacate plan -f FILE [OPTIONS]

What would become of a reservation: which hosts, which VM goes where, when it has to begin, and how likely it is to be on time.
Changes nothing; the running cluster is only listed.

  -f, --file FILE       manifest of the Reservation; - is standard input
  -o, --output FORMAT   table (default), json or svg
  --from-dir DIR        plan against the manifests in this folder instead of the running cluster
  --kubeconfig FILE     default: KUBECONFIG, ~/.kube/config, then the pod's service account

Ends with 0 when there is a plan, 1 when there is none (and says what is in the way), 2 when the input is wrong, 3 when the
cluster does not answer.`;

const formats = ["table", "json", "svg"] as const;

/** `vacate plan` */
export async function runPlan(argv: string[], signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: "boolean" },
      file: { type: "string", short: "f" },
      output: { type: "string", short: "o", default: "table" },
      "from-dir": { type: "string" },
      kubeconfig: { type: "string" },
    },
  });
  if (values.help) return console.log(help);
  const { file, "from-dir": folder, output } = values;
  if (file === undefined) throw new UsageError("-f is missing: the file with the Reservation");
  const format = formats.find((each) => each === output);
  if (!format) throw new UsageError(`--output ${JSON.stringify(output)} is none of ${formats.join(", ")}`);
  if (folder !== undefined && values.kubeconfig !== undefined) {
    throw new UsageError("--from-dir and --kubeconfig exclude each other: plan against a folder or a cluster");
  }
  const reader = new ManifestReader();
  const source = sourceName(file);
  const reservation = onlyReservation(source, reader.read(file));
  let objects: ClusterObjects;
  try {
    objects = folder === undefined ? await listCluster(values.kubeconfig, signal) : readFolder(reader, folder);
  } catch (error) {
    if (isUsageError(error)) throw error;
    console.error(`vacate: the cluster does not answer: ${(error as Error).message}`);
    process.exitCode = 3;
    return;
  }
  const answer = whatIf(source, reservation, objects, systemClock.now());
  process.stdout.write(render(answer, format));
  if (answer.refusal) process.exitCode = 1;
}

function readFolder(reader: ManifestReader, folder: string): ClusterObjects {
  return clusterFromManifests(folder, reader.read(folder));
}

function onlyReservation(file: string, objects: readonly KubernetesObject[]): Reservation {
  const found = objects.filter(({ kind }) => kind === "Reservation") as Reservation[];
  const [reservation] = found;
  if (found.length === 1 && reservation) return reservation;
  throw new UsageError(`${file} has ${found.length} Reservations; one is wanted`);
}

export type Answer = { reservation: string } & (
  | { plan: PlanView; refusal?: never }
  | { plan?: never; refusal: Refusal }
);

/**
 * The controller's own decision about the reservation as if it were applied now. One that exists already under its name
 * keeps the hosts it holds.
 * @param source names where the reservation comes from, in errors
 * @throws UsageError when the reservation makes no sense
 */
export function whatIf(source: string, wanted: Reservation, objects: ClusterObjects, now: Date): Answer {
  const key = formatKey(keyOf(wanted));
  const present = objects.reservations.find((other) => formatKey(keyOf(other)) === key);
  const { status: _status, ...rest } = wanted;
  const metadata = { ...wanted.metadata, uid: present?.metadata.uid ?? `Reservation/${key}` };
  const reservation: Reservation = { ...rest, metadata, ...(present?.status && { status: present.status }) };
  const others = objects.reservations.filter((other) => other !== present);
  const view: ReservationView = {
    ...{ now, reservation },
    hosts: objects.hosts,
    virtualMachines: objects.virtualMachines,
    models: objects.models,
    reservations: [...others, reservation],
    inventories: new Map(),
  };
  const request = requestFrom(source, view);
  const cluster = clusterOf(view);
  const { plan, refusal } = admit(request, cluster, present?.status?.admittedAt !== undefined);
  if (refusal) return { reservation: key, refusal };
  const startBy = startByOf(planStatus(plan, undefined, now), request.windowStart);
  return { reservation: key, plan: planView(request, plan, explainPlan(request, cluster, plan), startBy, now) };
}

function requestFrom(source: string, view: ReservationView) {
  try {
    return requestOf(view);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${source}: ${error.message}`);
    throw error;
  }
}

function render({ reservation, plan, refusal }: Answer, format: (typeof formats)[number]): string {
  switch (format) {
    case "table":
      return plan ? planTable(plan) : refusalText(reservation, refusal);
    case "json":
      return `${JSON.stringify(plan ? planJson(plan) : refusalJson(reservation, refusal), undefined, 2)}\n`;
    case "svg":
      return plan ? planSvg(plan) : refusalSvg(reservation, refusal);
  }
}
