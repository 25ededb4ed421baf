import { isDeepStrictEqual } from "node:util";
import { type AgentClient, AgentError } from "../../agent/protocol/client.ts";
import { agentReasons, type HostReport } from "../../agent/protocol/types.ts";
import type { Clock } from "../../api/clock.ts";
import { vmHostReasons as reasons, vmHostConditions } from "../../api/conditions.ts";
import { keyOf, type ObjectKey } from "../../api/object.ts";
import {
  type Reservation,
  reservations,
  type Secret,
  secrets,
  type VirtualMachine,
  type VMHost,
  virtualMachines,
  vmHosts,
} from "../../api/resources.ts";
import type { VMHostStatus } from "../../api/types.gen.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { CacheReader } from "../../runtime/cache.ts";
import type { Client } from "../../runtime/client.ts";
import { findCondition, isTrue } from "../../runtime/condition.ts";
import { type ControllerOptions, type KeyedController, watches } from "../../runtime/controller.ts";
import type { EventRecorder } from "../../runtime/event-recorder.ts";
import { type ReconcileContext, type ReconcileResult, TerminalError } from "../../runtime/reconciler.ts";
import { patchStatus } from "../../runtime/status-patch.ts";
import type { Hosts } from "../hosts.ts";
import { invalidName } from "../name-rule.ts";
import { byUid, uidOf } from "../uid-index.ts";
import { closedHolds, nextHoldChange } from "./closed-holds.ts";
import { forgetFinished } from "./forget-finished.ts";
import { reported, withReadiness } from "./host-status.ts";
import { settingsOf } from "./identity.ts";
import { type Readiness, readinessOf, unreachable } from "./readiness.ts";
import { invalidSpec } from "./validate.ts";

const safetyNetSeconds = 30;

export interface VMHostDependencies {
  client: Client;
  vmHosts: CacheReader<VMHost>;
  virtualMachines: CacheReader<VirtualMachine>;
  reservations: CacheReader<Reservation>;
  /** Those of the operator's namespace. */
  secrets: CacheReader<Secret>;
  hosts: Hosts;
  events: EventRecorder;
  metrics: Metrics;
  clock: Clock;
  /** The only namespace from which identities are read. */
  operatorNamespace: string;
  term: number;
}

/** Keeps hosts connected, says whether they may be used, and tells their agents which holds are closed. */
export class VMHostController {
  readonly #dependencies: VMHostDependencies;

  constructor(dependencies: VMHostDependencies) {
    this.#dependencies = dependencies;
    dependencies.virtualMachines.addIndex(byUid, uidOf);
  }

  options(): ControllerOptions {
    const hosts = () => this.#dependencies.vmHosts.list();
    const keysWhere = (isMeant: (host: VMHost) => boolean) => hosts().filter(isMeant).map(keyOf);
    return {
      name: "vmhost",
      resource: vmHosts,
      workers: 8,
      reconcile: (key, context) => this.reconcile(key, context),
      watches: [
        watches(secrets, (secret) =>
          secret.metadata.namespace === this.#dependencies.operatorNamespace
            ? keysWhere((host) => host.spec.identitySecretName === secret.metadata.name)
            : [],
        ),
        watches(reservations, ({ metadata }) => keysWhere((host) => isHeldBy(host, metadata.uid))),
        // A VM that comes or goes changes who may be on held hosts, and whether its guest is known.
        watches(virtualMachines, (vm, before) =>
          before !== undefined && isDeepStrictEqual(vm.metadata.labels, before.metadata.labels) && vm !== before
            ? []
            : keysWhere((host) => (host.status?.holds ?? []).length > 0 || lists(host, vm.metadata.uid)),
        ),
        watches(vmHosts, (host, before) => {
          const uuids = [host.status?.agent?.uuid, before?.status?.agent?.uuid];
          const isOther = (other: VMHost) => other.metadata.name !== host.metadata.name;
          return keysWhere((other) => isOther(other) && hasUuid(other, uuids));
        }),
      ],
    };
  }

  /** Lets agents' news enqueue their hosts. Returns the function that ends it. */
  listen(controller: KeyedController): () => void {
    const { hosts } = this.#dependencies;
    const ends = [
      hosts.onEvent((hostName, event) => {
        if (event.type !== "MigrationChanged") controller.enqueue({ name: hostName });
      }),
      hosts.onConnectionChange((hostName) => controller.enqueue({ name: hostName })),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  async reconcile(key: ObjectKey, context: ReconcileContext): Promise<ReconcileResult> {
    const { hosts, secrets: secretCache, operatorNamespace, vmHosts: cache } = this.#dependencies;
    this.#countHosts();
    const host = cache.get(key);
    if (!host || host.metadata.deletionTimestamp !== undefined) {
      hosts.remove(key.name);
      return {};
    }
    const invalid = invalidName(host) ?? invalidSpec(host.spec);
    if (invalid !== undefined) {
      hosts.remove(key.name);
      await this.#write(host, {}, no(reasons.InvalidSpec, invalid), context);
      return {};
    }
    const secret = secretCache.get({ namespace: operatorNamespace, name: host.spec.identitySecretName });
    const identity = settingsOf(host, secret, operatorNamespace);
    if ("missing" in identity) {
      hosts.remove(key.name);
      await this.#write(host, {}, no(reasons.IdentitySecretMissing, identity.missing), context);
      return {};
    }
    hosts.ensure(key.name, identity.settings);
    const agent = hosts.agent(key.name);
    if (!agent) {
      const readiness = unreachable(host, hosts.connection(key.name));
      if (!stillStands(host, readiness)) await this.#write(host, {}, readiness, context);
      return { requeueAfterSeconds: safetyNetSeconds };
    }
    return this.#reconcileConnected(host, agent, context);
  }

  async #reconcileConnected(host: VMHost, agent: AgentClient, context: ReconcileContext): Promise<ReconcileResult> {
    const { clock, vmHosts: cache, virtualMachines: machines } = this.#dependencies;
    const requeue = { requeueAfterSeconds: this.#secondsUntilNextLook(host) };
    try {
      const report = await agent.host(context.signal);
      const guests = await agent.guests(context.signal);
      const others = cache.list().filter((other) => other.metadata.name !== host.metadata.name);
      const ready = readinessOf(host, report, others);
      if (ready.reason === reasons.IdentityChanged) {
        await this.#write(host, {}, ready, context);
        return requeue;
      }
      const isKnown = (uid: string) => machines.byIndex(byUid, uid).length > 0;
      const after = await this.#write(host, reported(report, guests, isKnown), ready, context);
      if (ready.reason === reasons.DuplicateAgent) return requeue;
      await this.#pushHolds(after, agent, report, clock.now(), context);
      await forgetFinished(agent, machines.list(), this.#dependencies.term, context.signal);
      return requeue;
    } catch (error) {
      if (context.signal.aborted || !(error instanceof AgentError)) throw error;
      if (error.reason === agentReasons.StaleTerm) {
        throw new TerminalError(`another operator has taken over: ${error.message}`, { cause: error });
      }
      const message = `the agent on ${host.metadata.name} refused: ${error.reason}: ${error.message}`;
      await this.#write(host, {}, no(reasons.AgentError, message), context);
      return requeue;
    }
  }

  /** The agent enforces closed holds by itself from then on, also while nobody is connected to it. */
  async #pushHolds(host: VMHost, agent: AgentClient, report: HostReport, now: Date, context: ReconcileContext) {
    const { reservations: cache, virtualMachines: machines, term } = this.#dependencies;
    const reservation = (uid: string) => cache.list().find((candidate) => candidate.metadata.uid === uid);
    const holds = closedHolds(host, reservation, machines.list(), now);
    const has = new Set(report.holds.map(comparable));
    if (holds.length === has.size && holds.every((hold) => has.has(comparable(hold)))) return;
    await agent.setHolds({ term, holds }, context.signal);
  }

  async #write(host: VMHost, found: Partial<VMHostStatus>, ready: Readiness, context: ReconcileContext) {
    const { client, clock, events } = this.#dependencies;
    const before = findCondition(host.status?.conditions, vmHostConditions.Ready);
    const after = await patchStatus(client, vmHosts, host, withReadiness(host, found, ready, clock.now()), context);
    if (before?.reason !== ready.reason && (before !== undefined || ready.reason !== reasons.Connecting)) {
      events.record(after, ready.status === "True" ? "Normal" : "Warning", ready.reason, ready.message);
    }
    return after;
  }

  #secondsUntilNextLook(host: VMHost): number {
    const milliseconds = nextHoldChange(host, this.#dependencies.clock.now());
    return Math.min(safetyNetSeconds, milliseconds === undefined ? safetyNetSeconds : milliseconds / 1000);
  }

  #countHosts(): void {
    const { metrics, vmHosts: cache } = this.#dependencies;
    const all = cache.list();
    metrics.hosts.set(all.length);
    metrics.hostsReady.set(all.filter((host) => isTrue(host.status?.conditions, vmHostConditions.Ready)).length);
  }
}

function no(reason: Readiness["reason"], message: string): Readiness {
  return { status: "False", reason, message };
}

/** What the operator before this one found out stands until the first attempt to connect has ended. */
function stillStands(host: VMHost, readiness: Readiness): boolean {
  const { status, metadata } = host;
  const isSameSpec = status?.observedGeneration === metadata.generation;
  return readiness.reason === reasons.Connecting && isSameSpec && isTrue(status?.conditions, vmHostConditions.Ready);
}

function isHeldBy(host: VMHost, reservationUid: string | undefined): boolean {
  return (host.status?.holds ?? []).some((hold) => hold.reservation.uid === reservationUid);
}

function lists(host: VMHost, uid: string | undefined): boolean {
  return (host.status?.virtualMachines ?? []).some((guest) => guest.uid === uid);
}

function hasUuid(host: VMHost, uuids: readonly (string | undefined)[]): boolean {
  const uuid = host.status?.agent?.uuid;
  return uuid !== undefined && uuids.includes(uuid);
}

function comparable(hold: HostReport["holds"][number]): string {
  return JSON.stringify([hold.reservationUid, Date.parse(hold.until), [...hold.allowedUids].sort()]);
}
