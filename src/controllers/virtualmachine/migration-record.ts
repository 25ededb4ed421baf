import type { AgentError } from "../../agent/protocol/client.ts";
import { formatSeconds } from "../../api/duration.ts";
import type { VirtualMachine } from "../../api/resources.ts";
import type { VirtualMachineStatus } from "../../api/types.gen.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import { migrationPhases } from "../../metrics/metrics.ts";
import type { MigrationResult, MigrationViews, SideView } from "./repair.ts";

export type Migration = NonNullable<VirtualMachineStatus["migration"]>;
export type FinishedMigration = NonNullable<VirtualMachineStatus["migrations"]>[number];
export type Views = Pick<MigrationViews, "source" | "target">;

/** Why a migration did not succeed. */
export interface Failure {
  reason: string;
  message: string;
}

const keptMigrations = 8;
const longestMessage = 1024;

/** The step as status shows it; what is known of the target counts first, it is further on. */
function shownStep(views: Views, before: Migration["step"]): Migration["step"] {
  const source = reportOf(views.source)?.step;
  const target = reportOf(views.target)?.step;
  if (source === "RolledBack" || target === "Surrendered") return "RollBack";
  if (source === "Released" || source === "Running" || target === "Running") return "Release";
  if (source === "HandedOver") return "Resume";
  if (target === "Loaded") return "HandOver";
  if (source === "Copying") return "Copy";
  if (source === "Suspending") return "Suspend";
  return source === "Prepared" ? "Prepare" : before;
}

const phases: Record<Migration["step"], string> = {
  Prepare: "Running",
  Suspend: "Suspending",
  Copy: "Copying",
  HandOver: "Resuming",
  Resume: "Resuming",
  Release: "Running",
  RollBack: "Resuming",
};

export function phaseOf(step: Migration["step"]): string {
  return phases[step];
}

/** The migration with the agents' progress in it. */
export function withProgress(migration: Migration, views: Views): Migration {
  const source = reportOf(views.source);
  const target = reportOf(views.target);
  const bytesDone = Math.max(source?.bytesDone ?? 0, target?.bytesDone ?? 0, migration.bytesDone ?? 0);
  const bytesTotal = source?.bytesTotal || target?.bytesTotal || migration.bytesTotal || 0;
  return { ...migration, step: shownStep(views, migration.step), bytesDone, bytesTotal };
}

/** What the agents say went wrong, with the step and the host. */
export function failureOf(migration: Migration, views: Views, aborting: boolean): Failure {
  const [source, target] = [reportOf(views.source), reportOf(views.target)];
  if (aborting && (source?.reason === undefined || source.reason === "Aborted")) {
    return {
      reason: "Aborted",
      message: `${migration.step}: stopped, since it is not wanted on ${migration.to} any more`,
    };
  }
  const silentHost = views.source.kind !== "Answers" ? migration.from : migration.to;
  const said = source?.reason !== undefined ? source : target;
  if (said?.reason === undefined) {
    return {
      reason: "HostSilent",
      message: `${migration.step}: ${silentHost} does not hold the state and does not say why`,
    };
  }
  const hostName = said === source ? migration.from : migration.to;
  const { step, from, to } = migration;
  return {
    reason: said.reason,
    message: `${step} from ${from} to ${to}: ${hostName} says: ${said.message ?? said.reason}`,
  };
}

/** An agent's refusal of an order of the preparation. */
export function refusalFailure(hostName: string, error: AgentError): Failure {
  return { reason: error.reason, message: `Prepare on ${hostName}: ${error.message}` };
}

/**
 * The entry for `status.migrations`.
 * @param options.isTotalKnown false when the operator was away when it ended, so that its total is not known
 */
export function finishedMigration(
  migration: Migration,
  views: Views,
  result: MigrationResult,
  options: { now: Date; isTotalKnown: boolean; failure?: Failure | undefined },
): FinishedMigration {
  const [source, target] = [reportOf(views.source), reportOf(views.target)];
  const measured = { ...target?.measured, ...source?.measured };
  const started = Date.parse(migration.startedAt ?? "");
  const total = options.isTotalKnown && Number.isFinite(started) ? options.now.getTime() - started : undefined;
  const moved = source?.bytesTotal || target?.bytesTotal;
  const measuredMilliseconds = integers({
    suspend: measured.suspendMilliseconds,
    copy: measured.copyMilliseconds,
    resume: measured.resumeMilliseconds,
    total: result === "Succeeded" ? total : undefined,
  });
  return withoutUndefined({
    id: migration.id,
    result,
    reason: options.failure?.reason,
    message: options.failure?.message.slice(0, longestMessage),
    from: migration.from,
    to: migration.to,
    startedAt: migration.startedAt,
    finishedAt: options.now.toISOString(),
    stateBytes: migration.stateBytes,
    movedBytes: moved,
    downtimeMilliseconds: rounded(measured.downtimeMilliseconds),
    parallel: migration.parallel,
    predictedMilliseconds: migration.predictedMilliseconds,
    measuredMilliseconds,
  });
}

export function prepend(finished: FinishedMigration, before: readonly FinishedMigration[] = []): FinishedMigration[] {
  return [finished, ...before.filter(({ id }) => id !== finished.id)].slice(0, keptMigrations);
}

/** For the event: how long it took, and how long that was thought to take. */
export function scoreText(finished: FinishedMigration): string {
  const seconds = (milliseconds: number | undefined) =>
    milliseconds === undefined ? "unknown" : formatSeconds(milliseconds / 1000);
  const { measuredMilliseconds: measured, predictedMilliseconds: predicted } = finished;
  return (
    `from ${finished.from} to ${finished.to} in ${seconds(measured?.total)} (predicted ${seconds(predicted?.total)}), ` +
    // No driver can set a guest's clock yet; people must not have to find that out by themselves.
    `stopped for ${seconds(finished.downtimeMilliseconds)}, by which the guest's clock is behind until it is set`
  );
}

/** Counts a finished migration; to be called once for each. */
export function observeMigration(metrics: Metrics, vm: VirtualMachine, finished: FinishedMigration): void {
  const strategy = vm.spec.migration?.strategy ?? "SuspendCopyResume";
  metrics.migrations.inc({ result: finished.result });
  if (finished.result !== "Succeeded") return;
  for (const phase of migrationPhases) {
    const measured = finished.measuredMilliseconds?.[phase];
    if (measured === undefined) continue;
    metrics.migrationSeconds.observe({ phase, strategy }, measured / 1000);
    const predicted = finished.predictedMilliseconds?.[phase];
    if (predicted !== undefined && measured > 0) {
      metrics.migrationPredictionRatio.observe({ phase, strategy }, predicted / measured);
    }
  }
  if (finished.downtimeMilliseconds !== undefined) {
    metrics.migrationDowntimeSeconds.observe({ strategy }, finished.downtimeMilliseconds / 1000);
  }
  if (finished.movedBytes !== undefined) metrics.migratedBytes.inc(finished.movedBytes);
}

function reportOf(view: SideView) {
  return view.kind === "Answers" ? view.report : undefined;
}

function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value);
}

function integers<T extends Record<string, number | undefined>>(values: T): { [K in keyof T]?: number } {
  const entries = Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, Math.round(value)])) as { [K in keyof T]?: number };
}

function withoutUndefined(
  entry: { [K in keyof FinishedMigration]: FinishedMigration[K] | undefined },
): FinishedMigration {
  return Object.fromEntries(
    Object.entries(entry).filter(([, value]) => value !== undefined),
  ) as unknown as FinishedMigration;
}
