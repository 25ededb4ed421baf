import { AgentError } from "../../agent/protocol/client.ts";
import { agentReasons } from "../../agent/protocol/types.ts";
import { virtualMachineReasons as reasons } from "../../api/conditions.ts";
import { parseMemory } from "../../api/quantity.ts";
import { type VirtualMachine, virtualMachines } from "../../api/resources.ts";
import type { VirtualMachineStatus } from "../../api/types.gen.ts";
import { ensureFinalizer, removeFinalizer } from "../../runtime/finalizer.ts";
import type { ReconcileContext, ReconcileResult } from "../../runtime/reconciler.ts";
import { patchStatus } from "../../runtime/status-patch.ts";
import { byMigrating, isMigrating } from "./affected.ts";
import type { AgentReader } from "./agent-reader.ts";
import type { Assumptions } from "./assumptions.ts";
import { type VirtualMachineDependencies, virtualMachineFinalizer } from "./context.ts";
import { type Decision, type Step, statement, type Verdict } from "./decision.ts";
import type { Refusal } from "./host-check.ts";
import { clearLeftover } from "./leftovers.ts";
import type { MigrationDriver } from "./migration-driver.ts";
import type { Migration } from "./migration-record.ts";
import { predictPhases } from "./prediction.ts";
import type { StartPacing } from "./start-pacing.ts";
import { withVerdict } from "./status.ts";

const stopGraceSeconds = 30;
const atOnce: ReconcileResult = { requeueAfterSeconds: 0 };

type StepOf<D extends Step["do"]> = Extract<Step, { do: D }>;

/** Takes the decided step: records what has to be recorded first, orders the agent, states the outcome. */
export class Actor {
  readonly #dependencies: VirtualMachineDependencies;
  readonly #reader: AgentReader;
  readonly #assumptions: Assumptions;
  readonly #pacing: StartPacing;
  readonly #driver: MigrationDriver;

  constructor(
    dependencies: VirtualMachineDependencies,
    reader: AgentReader,
    assumptions: Assumptions,
    pacing: StartPacing,
    driver: MigrationDriver,
  ) {
    this.#dependencies = dependencies;
    this.#reader = reader;
    this.#assumptions = assumptions;
    this.#pacing = pacing;
    this.#driver = driver;
  }

  async act(vm: VirtualMachine, decision: Decision, context: ReconcileContext): Promise<ReconcileResult> {
    const { step } = decision;
    switch (step.do) {
      case "Nothing":
        return this.#settle(vm, decision, context);
      case "Grant":
        return this.#grant(vm, decision, step, context);
      case "Start":
        return this.#start(await this.#state(vm, decision.verdict, context), step.hostName, step.epoch, context);
      case "Stop":
        return this.#stop(await this.#state(vm, decision.verdict, context), step.hostName, context);
      case "Adopt":
        return this.#adopt(vm, decision, step, context);
      case "Migrate":
        return this.#migrate(vm, decision, step, context);
      case "Discard":
        return this.#discard(await this.#state(vm, decision.verdict, context), step.hostNames, context);
      case "Release":
        await removeFinalizer(this.#dependencies.client, virtualMachines, vm, virtualMachineFinalizer, context);
        return {};
    }
  }

  /** Writes the verdict. */
  #state(
    vm: VirtualMachine,
    verdict: Verdict,
    context: ReconcileContext,
    change: Partial<VirtualMachineStatus> = {},
  ): Promise<VirtualMachine> {
    const { client, clock } = this.#dependencies;
    const changed = { ...vm, status: { ...vm.status, ...change } };
    return patchStatus(client, virtualMachines, vm, withVerdict(changed, verdict, clock.now()), context);
  }

  async #settle(vm: VirtualMachine, decision: Decision, context: ReconcileContext): Promise<ReconcileResult> {
    const after = await this.#state(vm, decision.verdict, context);
    const { phase, hostName } = decision.verdict;
    if (phase === "Running" && hostName !== undefined) await this.#clearLeftovers(after, hostName, context);
    const wait = decision.requeueAfterMilliseconds;
    return wait === undefined ? {} : { requeueAfterSeconds: wait / 1000 };
  }

  async #clearLeftovers(vm: VirtualMachine, hostName: string, context: ReconcileContext): Promise<void> {
    for (const other of this.#reader.othersWith(vm.metadata.uid ?? "", [hostName])) {
      const agent = this.#reader.agent(other);
      if (agent) await clearLeftover(vm, other, agent, this.#dependencies.term, context.signal);
    }
  }

  /** R1: the grant is on record, by compare-and-swap, before any agent is asked to start. */
  async #grant(vm: VirtualMachine, decision: Decision, step: StepOf<"Grant">, context: ReconcileContext) {
    const { client, events, clock } = this.#dependencies;
    const uid = vm.metadata.uid ?? "";
    const { hostName, epoch } = step;
    this.#assumptions.granted(uid, hostName, epoch);
    try {
      const owned = await ensureFinalizer(client, virtualMachines, vm, virtualMachineFinalizer, context);
      if (step.surrenderFrom !== undefined) await this.#surrender(uid, step.surrenderFrom, context);
      const change: Partial<VirtualMachineStatus> = { grant: { hostName, epoch } };
      const assigned = vm.status?.assignment;
      if (step.byScheduler && !(assigned?.by.kind === "Scheduler" && assigned.hostName === hostName)) {
        change.assignment = { hostName, since: clock.now().toISOString(), by: { kind: "Scheduler" } };
      }
      const after = await this.#state(owned, decision.verdict, context, change);
      if (step.restarts) this.#pacing.restarted(uid);
      if (decision.event) events.record(after, decision.event.type, decision.event.reason, decision.event.message);
      return await this.#start(after, hostName, epoch, context);
    } catch (error) {
      this.#assumptions.drop(uid);
      throw error;
    }
  }

  /** The host that has the grant gives it up: whatever a late order started there goes, and it says that it holds nothing. */
  async #surrender(uid: string, hostName: string, context: ReconcileContext): Promise<void> {
    const agent = this.#agent(hostName);
    await ignoreNotFound(agent.discard({ term: this.#dependencies.term, uid }, context.signal));
    const guest = await agent.guest(uid, context.signal);
    if (guest) throw new Error(`${hostName} still holds ${uid} as ${guest.state}`);
  }

  async #start(vm: VirtualMachine, hostName: string, epoch: number, context: ReconcileContext) {
    const { uid = "", namespace = "", name } = vm.metadata;
    const { cpus, memory, disk } = vm.spec;
    const order = { term: this.#dependencies.term, uid, namespace, name, epoch, cpus };
    try {
      await this.#agent(hostName).start(
        { ...order, memoryBytes: parseMemory(memory), image: disk.image },
        context.signal,
      );
    } catch (error) {
      return this.#startFailed(vm, hostName, error, context);
    }
    this.#pacing.started(uid);
    this.#dependencies.events.record(vm, "Normal", "Started", `started on ${hostName}`);
    return atOnce;
  }

  async #startFailed(vm: VirtualMachine, hostName: string, error: unknown, context: ReconcileContext) {
    if (!(error instanceof AgentError) || error.reason === agentReasons.StaleTerm) throw error;
    if (error.reason === agentReasons.Tombstoned || error.reason === agentReasons.StaleEpoch) {
      const epoch = (vm.status?.grant?.epoch ?? 0) + 1;
      await this.#state(vm, { phase: "Starting" }, context, { grant: { hostName, epoch } });
      return atOnce;
    }
    const refusal = refusalBy(hostName, error);
    const wait = this.#pacing.refused(vm.metadata.uid ?? "", hostName, refusal);
    const running = statement("False", reasons.StartFailed, refusal.message);
    const isAboutHost = refusal.reason !== reasons.StartFailed;
    const placed = isAboutHost ? statement("False", refusal.reason, refusal.message) : undefined;
    const phase = vm.status?.hostName === undefined ? "Pending" : "Crashed";
    const after = await this.#state(vm, { phase, placed, running }, context);
    this.#dependencies.events.record(after, "Warning", "StartFailed", refusal.message);
    return { requeueAfterSeconds: isAboutHost && vm.spec.hostName === undefined ? 0 : wait / 1000 };
  }

  async #stop(vm: VirtualMachine, hostName: string, context: ReconcileContext): Promise<ReconcileResult> {
    const order = { term: this.#dependencies.term, uid: vm.metadata.uid ?? "", graceSeconds: stopGraceSeconds };
    await this.#agent(hostName).stop(order, context.signal);
    this.#dependencies.events.record(vm, "Normal", "Stopped", `powered off on ${hostName}`);
    return atOnce;
  }

  /** The grant first: from then on this object answers for the guest. */
  async #adopt(vm: VirtualMachine, decision: Decision, step: StepOf<"Adopt">, context: ReconcileContext) {
    const { client, events, term } = this.#dependencies;
    const { hostName, epoch, guestUid } = step;
    const uid = vm.metadata.uid ?? "";
    const owned = await ensureFinalizer(client, virtualMachines, vm, virtualMachineFinalizer, context);
    if (step.migrationId !== undefined) {
      await this.#agent(hostName).abortMigration({ term, migrationId: step.migrationId }, context.signal);
    }
    // Before the grant: with the grant alone the next reconcile would see nothing of its uid there, and start it.
    if (guestUid !== uid) await this.#agent(hostName).adopt({ term, uid: guestUid, newUid: uid }, context.signal);
    const change = { grant: { hostName, epoch }, hostName };
    const after = await this.#state(owned, { ...decision.verdict, hostName }, context, change);
    if (decision.event) events.record(after, decision.event.type, decision.event.reason, decision.event.message);
    return atOnce;
  }

  async #migrate(vm: VirtualMachine, decision: Decision, step: StepOf<"Migrate">, context: ReconcileContext) {
    const { vmHosts, overheadModels, clock, newId } = this.#dependencies;
    const { from, to, epoch, stateBytes } = step;
    const uid = vm.metadata.uid ?? "";
    // The target may still have what an earlier try left there.
    await this.#clearLeftovers(vm, from, context);
    const id = newId();
    const parallel = this.#runningMigrations(uid) + 1;
    this.#assumptions.migrating(uid, to, id);
    const [source, target] = [vmHosts.get({ name: from }), vmHosts.get({ name: to })];
    const migration: Migration = {
      id,
      epoch,
      from,
      to,
      step: "Prepare",
      startedAt: clock.now().toISOString(),
      bytesDone: 0,
      stateBytes,
      bytesTotal: stateBytes,
      parallel,
      predictedMilliseconds: predictPhases(source, target, stateBytes, overheadModels),
    };
    const changed = { ...vm, status: { ...vm.status, migration } };
    try {
      const status = withVerdict(changed, decision.verdict, clock.now());
      const recorded = await this.#driver.record(vm, status, migration, context);
      return await this.#driver.drive(recorded, migration, false, context);
    } catch (error) {
      this.#assumptions.drop(uid);
      throw error;
    }
  }

  #runningMigrations(exceptUid: string): number {
    const { virtualMachines: cache } = this.#dependencies;
    const shown = cache.byIndex(byMigrating, isMigrating).filter((vm) => vm.metadata.uid !== exceptUid).length;
    return shown + this.#assumptions.pending(cache.list()).migrations;
  }

  async #discard(vm: VirtualMachine, hostNames: string[], context: ReconcileContext): Promise<ReconcileResult> {
    const uid = vm.metadata.uid ?? "";
    for (const hostName of hostNames) {
      const agent = this.#agent(hostName);
      await ignoreNotFound(agent.discard({ term: this.#dependencies.term, uid }, context.signal));
      const guest = await agent.guest(uid, context.signal);
      if (guest) throw new Error(`${hostName} still holds ${uid} as ${guest.state}`);
    }
    // What status lists of other hosts lags; every agent was asked by now.
    const { client } = this.#dependencies;
    await removeFinalizer(client, virtualMachines, vm, virtualMachineFinalizer, context);
    return {};
  }

  #agent(hostName: string) {
    const agent = this.#reader.agent(hostName);
    if (!agent) throw new Error(`${hostName} does not answer now`);
    return agent;
  }
}

const startReasons: Partial<Record<string, Refusal["reason"]>> = {
  [agentReasons.HostFull]: reasons.HostFull,
  [agentReasons.StateFolderFull]: reasons.HostFull,
  [agentReasons.HostHeld]: reasons.HostHeld,
  [agentReasons.ImageMissing]: reasons.ImageMissing,
  [agentReasons.Incompatible]: reasons.Incompatible,
};

function refusalBy(hostName: string, error: AgentError): Refusal {
  const reason = startReasons[error.reason] ?? reasons.StartFailed;
  return { reason, message: `${hostName} cannot start it: ${error.message}`, short: `refused (${error.reason})` };
}

async function ignoreNotFound(order: Promise<void>): Promise<void> {
  try {
    await order;
  } catch (error) {
    if (!(error instanceof AgentError && error.reason === agentReasons.NotFound)) throw error;
  }
}
