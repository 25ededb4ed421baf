import { AgentError } from "../../agent/protocol/client.ts";
import { agentReasons } from "../../agent/protocol/types.ts";
import { keyOf, type ObjectKey } from "../../api/object.ts";
import { reservations, type VirtualMachine, type VMHost, virtualMachines, vmHosts } from "../../api/resources.ts";
import { wantedHost } from "../../api/wanted-host.ts";
import { isNotFound } from "../../runtime/client.ts";
import { type ControllerOptions, type KeyedController, watches } from "../../runtime/controller.ts";
import { type ReconcileContext, type ReconcileResult, TerminalError } from "../../runtime/reconciler.ts";
import { byUid, uidOf } from "../uid-index.ts";
import { Actor } from "./actor.ts";
import { affectedByHost, byMigrating, isMigrating, keysOfUid, migratingOf } from "./affected.ts";
import { AgentReader } from "./agent-reader.ts";
import { Assumptions } from "./assumptions.ts";
import { type VirtualMachineDependencies, virtualMachineFinalizer } from "./context.ts";
import { decide } from "./decide.ts";
import { type ClusterView, refusalOf } from "./host-check.ts";
import { MigrationDriver } from "./migration-driver.ts";
import { chooseHost } from "./scheduler.ts";
import type { Situation } from "./situation.ts";
import { StartPacing } from "./start-pacing.ts";

/** Even without news every VM is looked at this often. */
const safetyNetSeconds = 30;

/**
 * Starts, stops, adopts, moves and deletes VMs. Every reconcile reads the VM from the server and its guest from the
 * agents, decides one step and takes it. Nothing that decides who holds a VM is kept in memory.
 */
export class VirtualMachineController {
  readonly #dependencies: VirtualMachineDependencies;
  readonly #reader: AgentReader;
  readonly #assumptions = new Assumptions();
  readonly #pacing: StartPacing;
  readonly #driver: MigrationDriver;
  readonly #actor: Actor;

  constructor(dependencies: VirtualMachineDependencies) {
    this.#dependencies = dependencies;
    this.#reader = new AgentReader(dependencies.hosts, dependencies.vmHosts);
    this.#pacing = new StartPacing(dependencies.clock);
    this.#driver = new MigrationDriver(dependencies, this.#reader);
    this.#actor = new Actor(dependencies, this.#reader, this.#assumptions, this.#pacing, this.#driver);
    dependencies.virtualMachines.addIndex(byUid, uidOf);
    dependencies.virtualMachines.addIndex(byMigrating, migratingOf);
  }

  options(): ControllerOptions {
    const cache = this.#dependencies.virtualMachines;
    return {
      name: "virtualmachine",
      resource: virtualMachines,
      workers: 8,
      reconcileTimeoutSeconds: 120,
      reconcile: (key, context) => this.reconcile(key, context),
      watches: [
        watches(vmHosts, (host, before) => affectedByHost(cache, host, before)),
        watches(reservations, (reservation) => {
          const isOf = (vm: VirtualMachine) => vm.status?.assignment?.by.uid === reservation.metadata.uid;
          return cache.list().filter(isOf).map(keyOf);
        }),
      ],
    };
  }

  /** Lets agents' news enqueue the VMs that they concern. Returns the function that ends it. */
  listen(controller: KeyedController): () => void {
    const { hosts, vmHosts: hostCache, virtualMachines: cache } = this.#dependencies;
    const enqueueHost = (hostName: string) => {
      const host: VMHost | undefined = hostCache.get({ name: hostName });
      for (const key of host ? affectedByHost(cache, host) : []) controller.enqueue(key);
    };
    const ends = [
      hosts.onEvent((hostName, event) => {
        if (event.type === "Hello") enqueueHost(hostName);
        if (!("uid" in event)) return;
        for (const key of keysOfUid(cache, event.uid)) controller.enqueue(key);
      }),
      hosts.onConnectionChange(enqueueHost),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  async reconcile(key: ObjectKey, context: ReconcileContext): Promise<ReconcileResult> {
    try {
      return await this.#reconcile(key, context);
    } catch (error) {
      if (!(error instanceof AgentError) || error.reason !== agentReasons.StaleTerm) throw error;
      throw new TerminalError(`another operator has taken over: ${error.message}`, { cause: error });
    }
  }

  async #reconcile(key: ObjectKey, context: ReconcileContext): Promise<ReconcileResult> {
    const { metrics, virtualMachines: cache } = this.#dependencies;
    metrics.migrationsRunning.set(cache.byIndex(byMigrating, isMigrating).length);
    const vm = await this.#read(key, context);
    if (!vm) return {};
    const { migration } = vm.status ?? {};
    if (migration) {
      const isUnwanted = vm.metadata.deletionTimestamp !== undefined || this.#wanted(vm) !== migration.to;
      return this.#driver.drive(vm, migration, isUnwanted, context);
    }
    const words = await this.#ask(vm, context);
    // From here until the actor has noted its choice nothing waits: VMs decided at the same moment see each other's.
    const decision = decide(this.#situation(vm, words));
    context.log.debug({ step: decision.step }, "decided");
    const result = await this.#actor.act(vm, decision, context);
    return { requeueAfterSeconds: Math.min(result.requeueAfterSeconds ?? safetyNetSeconds, safetyNetSeconds) };
  }

  /**
   * From the server, not from the cache: orders to agents are given on it, and on an old one a finished migration would
   * be begun again. Undefined when it is gone, or is going and no longer ours.
   */
  async #read(key: ObjectKey, context: ReconcileContext): Promise<VirtualMachine | undefined> {
    const { client, virtualMachines: cache } = this.#dependencies;
    const cachedUid = cache.get(key)?.metadata.uid;
    try {
      const vm = await client.get(virtualMachines, key, { signal: context.signal });
      const isOurs = vm.metadata.finalizers?.includes(virtualMachineFinalizer) ?? false;
      return vm.metadata.deletionTimestamp === undefined || isOurs ? vm : undefined;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#pacing.forget(cachedUid ?? "");
      return undefined;
    }
  }

  /** What the agents say. */
  async #ask(vm: VirtualMachine, context: ReconcileContext): Promise<Pick<Situation, "holder" | "inventory">> {
    const uid = vm.metadata.uid ?? "";
    const grant = vm.status?.grant;
    const isDeleting = vm.metadata.deletionTimestamp !== undefined;
    const holder = grant && (await this.#reader.holder(grant.hostName, uid, context.signal));
    const needsInventory = !isDeleting && (holder === undefined || holder.kind === "GivenUp");
    const inventory = needsInventory ? await this.#reader.inventory(vm, context.signal) : undefined;
    return { holder, inventory };
  }

  #situation(vm: VirtualMachine, words: Pick<Situation, "holder" | "inventory">): Situation {
    const uid = vm.metadata.uid ?? "";
    const cluster = this.#cluster();
    const refusals = this.#pacing.refusals(uid);
    return {
      vm,
      ...words,
      now: cluster.now,
      wanted: this.#wanted(vm),
      leftovers: this.#reader.othersWith(uid, [vm.status?.grant?.hostName]),
      refusalOf: (hostName) => refusalOf(vm, hostName, cluster),
      refusedStart: (hostName) => refusals.get(hostName),
      chooseHost: () => chooseHost(vm, cluster, refusals),
      restartInMilliseconds: this.#pacing.restartInMilliseconds(uid),
    };
  }

  #wanted(vm: VirtualMachine): string | undefined {
    const hosts = this.#dependencies.vmHosts.list();
    const holding = hosts.flatMap((host) => (host.status?.holds ?? []).map((hold) => hold.reservation.uid));
    return wantedHost(vm, new Set(holding));
  }

  #cluster(): ClusterView {
    const { clock, vmHosts: hostCache, virtualMachines: cache, reservations: reservationCache } = this.#dependencies;
    const machines = cache.list();
    return {
      now: clock.now(),
      hosts: hostCache.list(),
      virtualMachines: machines,
      reservation: (uid) => reservationCache.list().find((reservation) => reservation.metadata.uid === uid),
      assumed: this.#assumptions.pending(machines).hosts,
    };
  }
}
