import type { AgentClient } from "../../../../src/agent/protocol/client.ts";
import type { GuestReport, HostReport } from "../../../../src/agent/protocol/types.ts";
import type { Condition } from "../../../../src/api/object.ts";
import { parseMemory } from "../../../../src/api/quantity.ts";
import {
  overheadModels,
  type Reservation,
  reservations,
  type VirtualMachine,
  type VMHost,
  vacateApiVersion,
  virtualMachines,
  vmHosts,
} from "../../../../src/api/resources.ts";
import { wantedHost } from "../../../../src/api/wanted-host.ts";
import { isClosed } from "../../../../src/controllers/hold-rules.ts";
import { createReservationReconciler } from "../../../../src/controllers/reservation/reconciler.ts";
import { holdingReservations } from "../../../../src/controllers/reservation/view.ts";
import { createMetrics } from "../../../../src/metrics/metrics.ts";
import { isConflict } from "../../../../src/runtime/client.ts";
import type { Reconciler } from "../../../../src/runtime/reconciler.ts";
import { FakeClient } from "../../../support/fake-client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RecordingEvents, reconcileContext } from "../../../support/recording-events.ts";

type VMStatus = NonNullable<VirtualMachine["status"]>;
const stepMilliseconds = 500;

/** A host's agent: an inventory, and the holds it was given. */
export class FakeAgent implements Pick<AgentClient, "host" | "guests"> {
  inventory: GuestReport[] = [];
  holds: HostReport["holds"] = [];

  async host(): Promise<HostReport> {
    return { holds: this.holds } as HostReport;
  }

  async guests(): Promise<GuestReport[]> {
    return structuredClone(this.inventory);
  }
}

/**
 * A small cluster in which time passes in steps. The other controllers are played by the simplest that keeps their
 * contracts: VMs move to their wanted host while it is open, agents learn which holds are closed.
 */
export class World {
  readonly clock = new FakeClock("2030-01-01T00:00:00Z");
  readonly client = new FakeClient(this.clock);
  readonly events = new RecordingEvents();
  readonly metrics = createMetrics();
  readonly agents = new Map<string, FakeAgent>();
  readonly silent = new Set<string>();
  /** Hosts whose agents only the reservation controller cannot reach. */
  readonly muted = new Set<string>();
  /** `vm host`: moves of this VM to this host roll back. */
  readonly failing = new Set<string>();
  /** Seconds a migration takes. */
  migrationSeconds = 4;
  /** Most migrations that ran at once, by direction. */
  mostAtOnce = 0;
  /** Every migration that began, as `vm from→to`. */
  readonly migrations: string[] = [];
  /** What must hold at every step. */
  readonly violations: string[] = [];
  #reconcile: Reconciler;

  constructor() {
    this.#reconcile = this.#newOperator();
  }

  /** The operator is killed and started again: nothing but the API server's objects is left. */
  restart(): void {
    this.#reconcile = this.#newOperator();
  }

  #newOperator(): Reconciler {
    return createReservationReconciler({
      client: this.client,
      reservations: this.client.cache(reservations),
      hosts: this.client.cache(vmHosts),
      virtualMachines: this.client.cache(virtualMachines),
      models: this.client.cache(overheadModels),
      agents: { agent: (name) => (this.#answers(name) ? this.agents.get(name) : undefined) },
      clock: this.clock,
      recorder: this.events,
      metrics: this.metrics,
    });
  }

  #answers(hostName: string): boolean {
    return !this.silent.has(hostName) && !this.muted.has(hostName);
  }

  host(name: string, overrides: { cpus?: number; memory?: string; labels?: Record<string, string> } = {}): void {
    this.agents.set(name, new FakeAgent());
    const ready = {
      type: "Ready",
      status: "True",
      reason: "AgentAnswers",
      message: "",
      lastTransitionTime: this.time(),
    };
    this.client.seed(vmHosts, {
      apiVersion: vacateApiVersion,
      kind: "VMHost",
      metadata: { name, labels: overrides.labels ?? {} },
      spec: { address: "127.0.0.1", hostKey: "ssh-ed25519 AAAA", identitySecretName: "identity" },
      status: {
        capacity: { cpus: overrides.cpus ?? 8, memory: overrides.memory ?? "8Gi" },
        conditions: [ready as Condition & { message: string }],
      },
    } as VMHost);
  }

  machine(name: string, hostName: string, overrides: Partial<VirtualMachine["spec"]> = {}, labels = {}): void {
    const spec = { cpus: 1, memory: "512Mi", disk: { image: "busybox" }, ...overrides };
    const created = this.client.seed(virtualMachines, {
      apiVersion: vacateApiVersion,
      kind: "VirtualMachine",
      metadata: { name, namespace: "default", uid: `uid-${name}`, labels },
      spec,
      status: {
        hostName,
        phase: "Running",
        grant: { hostName, epoch: 1 },
        ...(spec.hostName === undefined && { assignment: { hostName, by: { kind: "Scheduler" } } }),
      },
    } as VirtualMachine);
    this.agents.get(hostName)?.inventory.push(guestReport(created));
  }

  /** Its agent falls silent and the host's controller says so, or it answers again. */
  async setReady(name: string, isReady: boolean): Promise<void> {
    if (isReady) this.silent.delete(name);
    else this.silent.add(name);
    const [status, reason] = isReady ? ["True", "AgentAnswers"] : ["False", "ConnectionLost"];
    const conditions = [{ type: "Ready", status, reason, message: "", lastTransitionTime: this.time() }];
    await this.client.patch(vmHosts, { name }, { status: { conditions } }, { subresource: "status" });
  }

  async reserve(name: string, spec: Partial<Reservation["spec"]> & { count?: number } = {}): Promise<void> {
    const { count = 1, ...rest } = spec;
    await this.client.create(reservations, {
      apiVersion: vacateApiVersion,
      kind: "Reservation",
      metadata: { name, namespace: "default" },
      spec: { hosts: { count }, window: { start: this.at(120), duration: "2m" }, ...rest },
    } as Reservation);
  }

  /** RFC 3339 time so many seconds from the beginning of the world. */
  at(seconds: number): string {
    return new Date(Date.parse("2030-01-01T00:00:00Z") + seconds * 1000).toISOString().replace(".000", "");
  }

  time(): string {
    return this.clock.now().toISOString();
  }

  reservation(name: string): Reservation {
    const found = this.client.peek(reservations, { namespace: "default", name });
    if (!found) throw new Error(`no reservation ${name}`);
    return found;
  }

  condition(name: string, type: string): string {
    const found = this.reservation(name).status?.conditions?.find((condition) => condition.type === type);
    return found ? `${found.status} ${found.reason}` : "absent";
  }

  message(name: string, type: string): string {
    return this.reservation(name).status?.conditions?.find((condition) => condition.type === type)?.message ?? "";
  }

  /** Where every VM is. */
  places(): Record<string, string | undefined> {
    return Object.fromEntries(
      this.client.peekAll(virtualMachines).map((vm) => [vm.metadata.name, vm.status?.hostName]),
    );
  }

  holders(): Record<string, string[]> {
    return Object.fromEntries(
      this.client
        .peekAll(vmHosts)
        .map((host) => [host.metadata.name, (host.status?.holds ?? []).map((hold) => hold.reservation.name)]),
    );
  }

  /** Lets time pass until so many seconds after the beginning of the world. */
  async runUntil(seconds: number): Promise<void> {
    const end = Date.parse(this.at(seconds));
    while (this.clock.now().getTime() < end) await this.step();
  }

  /** Lets time pass until something is so, at most ten minutes. */
  async runWhile(isSo: () => boolean): Promise<void> {
    for (let steps = 0; isSo(); steps++) {
      if (steps > 2400) throw new Error(`still so at ${this.time()}`);
      await this.step();
    }
  }

  async step(): Promise<void> {
    await this.clock.advance(stepMilliseconds);
    await this.#moveMachines();
    this.#tellAgents();
    await this.reconcileAll();
    this.#checkInvariants();
  }

  async reconcileAll(): Promise<void> {
    for (const { metadata } of this.client.peekAll(reservations)) {
      const { name, namespace = "" } = metadata;
      try {
        await this.#reconcile({ name, namespace }, reconcileContext());
      } catch (error) {
        // As the runtime does: a conflict is tried again.
        if (!isConflict(error)) throw error;
      }
    }
  }

  async #moveMachines(): Promise<void> {
    const hosts = this.client.peekAll(vmHosts);
    const holding = holdingReservations(hosts);
    for (const vm of this.client.peekAll(virtualMachines)) {
      const { status } = vm;
      if (status?.migration) await this.#continue(vm, status);
      else await this.#begin(vm, wantedHost(vm, holding), hosts);
    }
    const running = this.client.peekAll(virtualMachines).filter((vm) => vm.status?.migration).length;
    this.mostAtOnce = Math.max(this.mostAtOnce, running);
  }

  async #begin(vm: VirtualMachine, target: string | undefined, hosts: VMHost[]): Promise<void> {
    const from = vm.status?.hostName;
    if (target === undefined || from === undefined || target === from) return;
    const host = hosts.find(({ metadata }) => metadata.name === target);
    const isOpen = host && !(host.status?.holds ?? []).some((hold) => isClosed(hold, this.clock.now()));
    if (!isOpen || this.silent.has(from) || this.silent.has(target)) {
      await this.#place(vm, "False", isOpen ? "HostNotReady" : "HostHeld");
      return;
    }
    this.migrations.push(`${vm.metadata.name} ${from}→${target}`);
    const id = `${vm.metadata.name}-${this.migrations.length}`;
    const migration = { id, epoch: 1, from, to: target, step: "Copy", startedAt: this.time(), bytesTotal: 1e8 };
    await this.#patch(vm, { migration });
  }

  async #continue(vm: VirtualMachine, status: VMStatus): Promise<void> {
    const { migration } = status;
    if (!migration) return;
    const elapsed = (this.clock.now().getTime() - Date.parse(migration.startedAt ?? "")) / 1000;
    if (elapsed < this.migrationSeconds || this.silent.has(migration.from) || this.silent.has(migration.to)) return;
    const hasFailed = this.failing.has(`${vm.metadata.name} ${migration.to}`);
    const { id, from, to, startedAt } = migration;
    const finished = {
      id,
      from,
      to,
      startedAt,
      finishedAt: this.time(),
      result: hasFailed ? "RolledBack" : "Succeeded",
    };
    const migrations = [finished, ...(status.migrations ?? [])].slice(0, 8);
    if (!hasFailed) {
      const [source, destination] = [this.agents.get(from), this.agents.get(to)];
      if (source) source.inventory = source.inventory.filter(({ uid }) => uid !== vm.metadata.uid);
      destination?.inventory.push(guestReport(vm));
    }
    await this.#patch(vm, {
      migration: null,
      migrations,
      ...(!hasFailed && { hostName: to, grant: { hostName: to } }),
    });
    await this.#place(vm, hasFailed ? "False" : "True", hasFailed ? "MigrationFailed" : "OnWantedHost");
  }

  async #place(vm: VirtualMachine, status: string, reason: string): Promise<void> {
    const now = this.client.peek(virtualMachines, { namespace: "default", name: vm.metadata.name });
    const present = now?.status?.conditions?.find(({ type }) => type === "Placed");
    if (present?.status === status && present.reason === reason) return;
    await this.#patch(vm, {
      conditions: [{ type: "Placed", status, reason, message: "", lastTransitionTime: this.time() }],
    });
  }

  async #patch(vm: VirtualMachine, status: object): Promise<void> {
    const { namespace = "", name } = vm.metadata;
    await this.client.patch(virtualMachines, { namespace, name }, { status }, { subresource: "status" });
  }

  #tellAgents(): void {
    for (const host of this.client.peekAll(vmHosts)) {
      const agent = this.agents.get(host.metadata.name);
      if (!agent || this.silent.has(host.metadata.name)) continue;
      const closed = (host.status?.holds ?? []).filter((hold) => isClosed(hold, this.clock.now()));
      agent.holds = closed.map(({ reservation: { uid }, end }) => ({
        reservationUid: uid,
        until: end,
        allowedUids: [],
      }));
    }
  }

  /** A host is said to be vacated only when it is, and held by one reservation at a time. */
  #checkInvariants(): void {
    for (const { metadata, status } of this.client.peekAll(reservations)) {
      const isVacated = status?.conditions?.some(({ type, status: value }) => type === "Vacated" && value === "True");
      if (!isVacated || Date.parse(status?.window?.end ?? "") <= this.clock.now().getTime()) continue;
      if (metadata.deletionTimestamp !== undefined) continue;
      for (const { name } of status?.hosts ?? []) {
        const left = this.agents.get(name)?.inventory.filter(({ state }) => state === "Running") ?? [];
        const unwanted = left.filter((guest) => !guest.name.startsWith("guest"));
        if (unwanted.length > 0)
          this.violations.push(`${metadata.name}: ${name} has ${unwanted[0]?.name} at ${this.time()}`);
      }
    }
    for (const host of this.client.peekAll(vmHosts)) {
      const holds = host.status?.holds ?? [];
      const overlap = holds.some((a, index) => holds.slice(index + 1).some((b) => a.start < b.end && b.start < a.end));
      if (overlap) this.violations.push(`${host.metadata.name} is held twice at ${this.time()}`);
    }
  }
}

function guestReport(vm: VirtualMachine): GuestReport {
  return {
    uid: vm.metadata.uid ?? "",
    namespace: vm.metadata.namespace ?? "",
    name: vm.metadata.name,
    epoch: 1,
    state: "Running",
    cpus: vm.spec.cpus,
    memoryBytes: parseMemory(vm.spec.memory),
    image: vm.spec.disk.image,
    stateBytes: 1e8,
    bootId: "boot",
  };
}
