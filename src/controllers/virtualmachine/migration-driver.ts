import { AgentError } from "../../agent/protocol/client.ts";
import { agentReasons } from "../../agent/protocol/types.ts";
import { virtualMachineReasons as reasons } from "../../api/conditions.ts";
import { formatBytes } from "../../api/quantity.ts";
import { type VirtualMachine, virtualMachines } from "../../api/resources.ts";
import type { VirtualMachineStatus } from "../../api/types.gen.ts";
import type { ReconcileContext, ReconcileResult } from "../../runtime/reconciler.ts";
import { patchStatus } from "../../runtime/status-patch.ts";
import type { AgentReader } from "./agent-reader.ts";
import type { VirtualMachineDependencies } from "./context.ts";
import { statement, type Verdict } from "./decision.ts";
import {
  type Failure,
  failureOf,
  finishedMigration,
  type Migration,
  observeMigration,
  phaseOf,
  prepend,
  refusalFailure,
  scoreText,
  type Views,
  withProgress,
} from "./migration-record.ts";
import { MigrationWatch } from "./migration-watch.ts";
import { predictPhases } from "./prediction.ts";
import { type MigrationAction, type MigrationResult, nextAction, targetHolds } from "./repair.ts";
import { withVerdict } from "./status.ts";

/** A running migration is looked at this often even when no agent says anything. */
const lookSeconds = 1;
/** Times the predicted total that a guest may be suspended before its source takes it back. */
const leaseFactor = 5;
const shortestLeaseSeconds = 60;

const impossible: ReadonlySet<string> = new Set([agentReasons.WrongState, agentReasons.NotFound]);

interface Driven {
  vm: VirtualMachine;
  migration: Migration;
  views: Views;
  aborting: boolean;
  /** False when this process sees it for the first time. */
  seenBefore: boolean;
  context: ReconcileContext;
}

/** Brings recorded migrations to their end, from what status and agents say. */
export class MigrationDriver {
  readonly #dependencies: VirtualMachineDependencies;
  readonly #reader: AgentReader;
  readonly #watch: MigrationWatch;

  constructor(dependencies: VirtualMachineDependencies, reader: AgentReader) {
    this.#dependencies = dependencies;
    this.#reader = reader;
    this.#watch = new MigrationWatch(dependencies.clock);
  }

  /**
   * Takes the next step of the VM's recorded migration.
   * @param aborting it is not wanted on the target any more
   */
  async drive(vm: VirtualMachine, migration: Migration, aborting: boolean, context: ReconcileContext) {
    const { id, from, to } = migration;
    const uid = vm.metadata.uid ?? "";
    const [source, target] = await Promise.all([
      this.#reader.side(from, uid, id, context.signal),
      this.#reader.side(to, uid, id, context.signal),
    ]);
    const views = { source, target };
    const seenBefore = this.#watch.see(id, views);
    const driven = { vm, migration, views, aborting, seenBefore, context };
    const action = nextAction({ ...views, aborting, stalled: this.#watch.isStalled(id) });
    context.log.debug({ migration: id, action }, "migration looked at");
    if (action.do === "Wait" && targetHolds(views) && !this.#watch.isSourceGivenTime(id)) {
      return this.#finish(driven, "Succeeded");
    }
    return this.#perform(action, driven);
  }

  async #perform(action: MigrationAction, driven: Driven): Promise<ReconcileResult> {
    switch (action.do) {
      case "Wait":
        return this.#showProgress(driven);
      case "Prepare":
        if (this.#watch.isBeginning(driven.migration.id)) return this.#showProgress(driven);
        return this.#prepare(driven);
      case "Finish":
        return this.#finish(driven, action.result);
      case "ReclaimSource":
        return this.#reclaim(driven);
      default:
        return this.#order(action.do, driven);
    }
  }

  /** Sends one order of the repair and looks again. */
  async #order(
    order: "AbortSource" | "AbortTarget" | "DiscardTarget" | "ResumeTarget" | "ReleaseSource" | "SurrenderTarget",
    driven: Driven,
  ): Promise<ReconcileResult> {
    const { migration, context } = driven;
    const isForSource = order === "AbortSource" || order === "ReleaseSource";
    const agent = this.#reader.agent(isForSource ? migration.from : migration.to);
    if (!agent) return { requeueAfterSeconds: lookSeconds };
    const body = { term: this.#dependencies.term, migrationId: migration.id };
    const orders = {
      AbortSource: () => agent.abortMigration(body, context.signal),
      AbortTarget: () => agent.abortMigration(body, context.signal),
      DiscardTarget: () => agent.discardTarget(body, context.signal),
      ResumeTarget: () => agent.resumeTarget(body, context.signal),
      ReleaseSource: () => agent.releaseSource(body, context.signal),
      SurrenderTarget: () => agent.surrenderTarget(body, context.signal),
    };
    try {
      await orders[order]();
    } catch (error) {
      if (!(error instanceof AgentError) || error.reason === agentReasons.StaleTerm) throw error;
      // The agents went on meanwhile, or there is nothing to do it to: the next look sees what is true then.
      context.log.warn({ migration: migration.id, order, reason: error.reason }, "order refused");
      return { requeueAfterSeconds: lookSeconds };
    }
    return { requeueAfterSeconds: 0 };
  }

  async #prepare(driven: Driven): Promise<ReconcileResult> {
    const { migration, context } = driven;
    const uid = driven.vm.metadata.uid ?? "";
    const { id, epoch, from, to } = migration;
    const { term, vmHosts } = this.#dependencies;
    const [source, target] = [this.#reader.agent(from), this.#reader.agent(to)];
    const targetHost = vmHosts.get({ name: to });
    if (!source || !target || !targetHost) return this.#showProgress(driven);
    let asked = from;
    try {
      const prepared = await source.prepareSource({ term, migrationId: id, uid, epoch }, context.signal);
      const predicted = await this.#predictAnew(driven, prepared.stateBytes);
      asked = to;
      const { configuration, stateBytes, fingerprint: sourceFingerprint } = prepared;
      const accepted = await target.prepareTarget(
        { term, migrationId: id, epoch, configuration, stateBytes, sourceFingerprint },
        context.signal,
      );
      asked = from;
      const address = targetHost.spec.dataAddress ?? targetHost.spec.address;
      const leaseSeconds = Math.max(shortestLeaseSeconds, Math.ceil((predicted * leaseFactor) / 1000));
      await source.beginMigration(
        { term, migrationId: id, uid, epoch, target: { address, ...accepted }, leaseSeconds },
        context.signal,
      );
    } catch (error) {
      if (!(error instanceof AgentError) || error.reason === agentReasons.StaleTerm) throw error;
      return this.#refused(driven, refusalFailure(asked, error));
    }
    this.#watch.begun(id);
    return { requeueAfterSeconds: lookSeconds };
  }

  /** The source knows better how much will move than the last report did. Returns the predicted total in milliseconds. */
  async #predictAnew(driven: Driven, stateBytes: number): Promise<number> {
    const { vm, migration, context } = driven;
    const { vmHosts, overheadModels, client } = this.#dependencies;
    if (migration.stateBytes === stateBytes) return migration.predictedMilliseconds?.total ?? 0;
    const [source, target] = [vmHosts.get({ name: migration.from }), vmHosts.get({ name: migration.to })];
    const predictedMilliseconds = predictPhases(source, target, stateBytes, overheadModels);
    const after: Migration = { ...migration, stateBytes, bytesTotal: stateBytes, predictedMilliseconds };
    driven.vm = await patchStatus(client, virtualMachines, vm, { ...vm.status, migration: after }, context);
    driven.migration = after;
    return predictedMilliseconds.total ?? 0;
  }

  /** An agent refused the preparation: what the other one prepared is undone before the end is recorded. */
  async #refused(driven: Driven, failure: Failure): Promise<ReconcileResult> {
    const { vm, migration, context } = driven;
    const uid = vm.metadata.uid ?? "";
    const now = await this.#reader.side(migration.from, uid, migration.id, context.signal);
    const step = now.kind === "Answers" ? now.report?.step : "Unknown";
    if (step !== undefined && step !== "Prepared") return { requeueAfterSeconds: 0 };
    const body = { term: this.#dependencies.term, migrationId: migration.id };
    for (const hostName of [migration.from, migration.to]) {
      await this.#reader
        .agent(hostName)
        ?.abortMigration(body, context.signal)
        .catch((error: unknown) => {
          if (!(error instanceof AgentError && error.reason === agentReasons.NotFound)) throw error;
        });
    }
    return this.#finish(driven, "RolledBack", failure);
  }

  /** The target gave up what it never ran: the source takes it back under the epoch after the target's (R6). */
  async #reclaim(driven: Driven): Promise<ReconcileResult> {
    const { migration, context } = driven;
    const { client, term } = this.#dependencies;
    const agent = this.#reader.agent(migration.from);
    if (!agent) return { requeueAfterSeconds: lookSeconds };
    const epoch = migration.epoch + 2;
    const grant = { hostName: migration.from, epoch };
    driven.vm = await patchStatus(client, virtualMachines, driven.vm, { ...driven.vm.status, grant }, context);
    try {
      await agent.reclaimSource({ term, migrationId: migration.id, epoch }, context.signal);
    } catch (error) {
      const isImpossible = error instanceof AgentError && impossible.has(error.reason);
      if (!isImpossible) throw error;
      return this.#finish(driven, "Failed", {
        reason: error.reason,
        message: `${migration.to} lost it after the hand-over, and ${migration.from} cannot take it back: ${error.message}`,
      });
    }
    return { requeueAfterSeconds: 0 };
  }

  /** Shows how far the agents are. Bytes alone are written once a second. */
  async #showProgress(driven: Driven): Promise<ReconcileResult> {
    const { vm, migration, views, context } = driven;
    const { client, clock } = this.#dependencies;
    const after = withProgress(migration, views);
    const isMoved = targetHolds(views) && vm.status?.hostName !== migration.to;
    const wait = isMoved ? 0 : this.#watch.nextWriteMilliseconds(migration, after);
    if (wait > 0) return { requeueAfterSeconds: wait / 1000 };
    let status: VirtualMachineStatus = { ...vm.status, migration: after };
    if (isMoved) status = { ...status, ...holderAfter("Succeeded", migration, views) };
    const verdict = movingVerdict(after);
    await patchStatus(client, virtualMachines, vm, withVerdict({ ...vm, status }, verdict, clock.now()), context);
    this.#watch.wrote(migration.id);
    return { requeueAfterSeconds: lookSeconds };
  }

  /** Records the end, then lets the agents forget. In this order: what only the agents know must not be lost. */
  async #finish(driven: Driven, result: MigrationResult, because?: Failure): Promise<ReconcileResult> {
    const { vm, views, context, aborting, seenBefore } = driven;
    const { client, clock, events, metrics } = this.#dependencies;
    const migration = withProgress(driven.migration, views);
    const failure = result === "Succeeded" ? undefined : (because ?? failureOf(driven.migration, views, aborting));
    const options = { now: clock.now(), isTotalKnown: seenBefore, failure };
    const finished = finishedMigration(migration, views, result, options);
    const { migration: _ended, ...before } = vm.status ?? {};
    const status: VirtualMachineStatus = {
      ...before,
      ...holderAfter(result, migration, views),
      migrations: prepend(finished, before.migrations),
    };
    const verdict: Verdict = { phase: result === "Failed" ? "Unknown" : "Running" };
    const wanted = withVerdict({ ...vm, status }, verdict, clock.now());
    const after = await patchStatus(client, virtualMachines, vm, wanted, context);
    observeMigration(metrics, after, finished);
    if (result === "Succeeded") events.record(after, "Normal", "Migrated", `moved ${scoreText(finished)}`);
    else {
      const moved = `from ${finished.from} to ${finished.to}`;
      const reason = result === "RolledBack" ? "RolledBack" : "MigrationFailed";
      events.record(after, "Warning", reason, `migration ${moved}: ${finished.message ?? finished.reason ?? ""}`);
    }
    this.#watch.forget(migration.id);
    await this.#forget(migration, context);
    return { requeueAfterSeconds: 0 };
  }

  /** As far as the agents answer; the vmhost controller clears away what is left later. */
  async #forget(migration: Migration, context: ReconcileContext): Promise<void> {
    const order = { term: this.#dependencies.term, migrationId: migration.id };
    for (const hostName of [migration.from, migration.to]) {
      try {
        await this.#reader.agent(hostName)?.forgetMigration(order, context.signal);
      } catch (error) {
        context.log.debug({ migration: migration.id, host: hostName, err: error }, "migration not forgotten yet");
      }
    }
  }

  /** Records a new migration, before any agent hears of it. */
  async record(vm: VirtualMachine, status: VirtualMachineStatus, migration: Migration, context: ReconcileContext) {
    const { client, events } = this.#dependencies;
    const after = await patchStatus(client, virtualMachines, vm, { ...status, migration }, context);
    const predicted = ((migration.predictedMilliseconds?.total ?? 0) / 1000).toFixed(1);
    const what = `${formatBytes(migration.bytesTotal ?? 0)} from ${migration.from} to ${migration.to}`;
    events.record(after, "Normal", "Migrating", `moving ${what}, predicted to take ${predicted}s`);
    return after;
  }
}

/** Who holds the VM when the migration has ended so, and the grant under which. */
function holderAfter(
  result: MigrationResult,
  migration: Migration,
  views: Views,
): Pick<VirtualMachineStatus, "hostName" | "grant"> {
  const { from, to, epoch } = migration;
  if (result === "Succeeded") return { hostName: to, grant: { hostName: to, epoch: epoch + 1 } };
  const held = views.source.kind === "Answers" ? (views.source.guest?.epoch ?? epoch) : epoch;
  // After a failure the target's epoch may have been used: the next grant must be above it.
  const used = result === "Failed" ? epoch + 1 : epoch;
  return { hostName: from, grant: { hostName: from, epoch: Math.max(held, used) } };
}

function movingVerdict(migration: Migration): Verdict {
  const message = `it is moving from ${migration.from} to ${migration.to}`;
  return { phase: phaseOf(migration.step), placed: statement("False", reasons.Moving, message) };
}
