import type { Clock } from "../../api/clock.ts";
import { overheadModelConditions, overheadModelReasons as reasons } from "../../api/conditions.ts";
import {
  type OverheadModel,
  overheadModels,
  type VirtualMachine,
  type VMHost,
  vacateApiVersion,
  virtualMachines,
  vmHosts,
} from "../../api/resources.ts";
import type { OverheadModelStatus } from "../../api/types.gen.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import { driftsOf, observe } from "../../model/observe.ts";
import { fewestObservations } from "../../model/phase-fits.ts";
import type { CacheReader } from "../../runtime/cache.ts";
import { type Client, isAlreadyExists } from "../../runtime/client.ts";
import { setCondition } from "../../runtime/condition.ts";
import { type SecondaryWatch, watches } from "../../runtime/controller.ts";
import type { Reconciler } from "../../runtime/reconciler.ts";
import { patchStatus } from "../../runtime/status-patch.ts";
import { modelNameOf, namedModels, observationsFor } from "./observations.ts";

export interface OverheadModelDependencies {
  client: Client;
  models: CacheReader<OverheadModel>;
  hosts: CacheReader<VMHost>;
  virtualMachines: CacheReader<VirtualMachine>;
  clock: Clock;
  metrics: Pick<Metrics, "modelObservations" | "modelErrorRatio">;
}

/**
 * Makes the model that a host names when it is missing, and teaches it every finished migration once. VMs remember only
 * their last few, so what was learned stays in the model's own history.
 */
export function createOverheadModelReconciler(dependencies: OverheadModelDependencies): Reconciler {
  const { client, clock, metrics } = dependencies;
  return async ({ name }, context) => {
    const hosts = dependencies.hosts.list();
    const model = dependencies.models.get({ name }) ?? (await create(client, name, hosts, context.signal));
    if (!model || model.metadata.deletionTimestamp !== undefined) return {};
    const observations = observationsFor(name, hosts, dependencies.virtualMachines.list());
    const learned = observe(model.status ?? {}, observations, model.spec);
    const status = withConditions(learned, model, clock.now());
    await patchStatus(client, overheadModels, model, status, context);
    publish(metrics, name, status);
    return {};
  };
}

/** The models whose observations or members a change may concern. */
export function overheadModelWatches(hosts: CacheReader<VMHost>): SecondaryWatch[] {
  return [
    watches(vmHosts, (host, before) => {
      const names = [modelNameOf(host), ...(before ? [modelNameOf(before)] : [])];
      return before && names[0] === names[1] ? [] : [...new Set(names)].map((name) => ({ name }));
    }),
    watches(virtualMachines, (vm, before) => {
      const newest = vm.status?.migrations?.[0];
      if (!newest || newest.id === before?.status?.migrations?.[0]?.id) return [];
      const members = hosts.list().filter(({ metadata }) => [newest.from, newest.to].includes(metadata.name));
      return [...namedModels(members)].map((name) => ({ name }));
    }),
  ];
}

async function create(
  client: Client,
  name: string,
  hosts: readonly VMHost[],
  signal: AbortSignal,
): Promise<OverheadModel | undefined> {
  if (!namedModels(hosts).has(name)) return undefined;
  const model: OverheadModel = { apiVersion: vacateApiVersion, kind: "OverheadModel", metadata: { name }, spec: {} };
  try {
    return await client.create(overheadModels, model, { signal });
  } catch (error) {
    // The cache lags behind; the watch brings it.
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
}

function withConditions(status: OverheadModelStatus, model: OverheadModel, now: Date): OverheadModelStatus {
  const { generation } = model.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const fitted = setCondition(status.conditions, { ...fittedCondition(status), ...observed }, now);
  const conditions = setCondition(fitted, { ...driftingCondition(status), ...observed }, now);
  return { ...status, ...observed, conditions: conditions as NonNullable<OverheadModelStatus["conditions"]> };
}

function fittedCondition(status: OverheadModelStatus) {
  const phases = { suspend: status.suspend, copy: status.copy, resume: status.resume };
  const missing = Object.entries(phases).filter(([, phase]) => phase?.nanosecondsPerMebibyte === undefined);
  const type = overheadModelConditions.Fitted;
  if (missing.length > 0) {
    return { type, status: "False" as const, reason: reasons.TooFewObservations, message: tooFew(missing) };
  }
  const message = `fitted to ${status.copy?.observations} observations`;
  return { type, status: "True" as const, reason: reasons.Fitted, message };
}

function driftingCondition(status: OverheadModelStatus) {
  const type = overheadModelConditions.Drifting;
  const drifts = driftsOf(status);
  if (drifts.length > 0) {
    const changes = drifts.map(
      ({ phase, share, observations }) =>
        `${phase} takes ${Math.abs(100 * share).toFixed(1)}% ${share > 0 ? "longer" : "less"} than in the older half of ${observations} observations`,
    );
    const message = `${changes.join("; ")}; predictions follow`;
    return { type, status: "True" as const, reason: reasons.LevelChanged, message };
  }
  const message = "no phase takes much longer or less than in the older half of its observations";
  return { type, status: "False" as const, reason: reasons.Steady, message };
}

function tooFew(missing: [string, { observations?: number } | undefined][]): string {
  const counts = missing.map(([phase, fit]) => `${phase} ${fit?.observations ?? 0}`).join(", ");
  return `needs ${fewestObservations} observations of each phase, has: ${counts}; predictions use the links' bandwidth until then`;
}

function publish(metrics: OverheadModelDependencies["metrics"], model: string, status: OverheadModelStatus): void {
  for (const phase of ["suspend", "copy", "resume", "total"] as const) {
    const { observations, mape } = status[phase] ?? {};
    metrics.modelObservations.set({ model, phase }, observations ?? 0);
    if (mape !== undefined) metrics.modelErrorRatio.set({ model, phase }, Number.parseFloat(mape) / 100);
  }
}
