import { keyOf } from "../api/object.ts";
import {
  namespaces,
  type Reservation,
  reservations as reservationResource,
  secrets,
  type VirtualMachine,
  virtualMachines,
  vmHosts,
} from "../api/resources.ts";
import { buildControllers } from "../controllers/build-controllers.ts";
import { createMetrics } from "../metrics/metrics.ts";
import type { CacheReader } from "../runtime/cache.ts";
import { isTrue } from "../runtime/condition.ts";
import { createLog } from "../runtime/log.ts";
import { Manager } from "../runtime/manager.ts";
import { MemoryClient } from "./memory-client.ts";
import { NoisyHosts } from "./noisy-hosts.ts";
import type { Policy } from "./policies.ts";
import { sequence } from "./random.ts";
import { VirtualClock } from "./virtual-clock.ts";
import type { Workload } from "./workload.ts";

const operatorNamespace = "vacate-system";
/** So much before a start-by everybody wakes, to plan with what is known by then. */
const wakeBeforeMilliseconds = 90_000;
/** Stopping takes less: what runs is over within moments of simulated time. */
const stopMilliseconds = 60_000;

/** The operator with all its controllers, on a clock that only moves when told, over hosts and an API server in memory. */
export class SimulatedCluster {
  readonly clock: VirtualClock;
  readonly client: MemoryClient;
  readonly hosts: NoisyHosts;
  readonly #manager: Manager;
  readonly #reservations: CacheReader<Reservation>;
  readonly #machines: CacheReader<VirtualMachine>;

  constructor(workload: Workload, policy: Policy, seed: number) {
    this.clock = new VirtualClock(workload.start);
    // Nobody reads events here, and there would be many.
    this.client = new MemoryClient(this.clock, ["events"]);
    this.hosts = new NoisyHosts(this.clock, seed);
    const { client, clock, hosts } = this;
    const metrics = createMetrics();
    const log = createLog({ level: "silent" });
    const random = sequence(`jitter ${seed}`);
    this.#manager = new Manager({ client, clock, log, metrics, random, namespaces: { secrets: operatorNamespace } });
    let migrations = 0;
    buildControllers({
      ...{ manager: this.#manager, client, hosts, clock, metrics, namespace: operatorNamespace, term: 1 },
      newId: () => `migration-${String(++migrations).padStart(9, "0")}`,
      ...(policy.startRule && { startRule: policy.startRule }),
    });
    this.#reservations = this.#manager.cache(reservationResource);
    this.#machines = this.#manager.cache(virtualMachines);
  }

  /** Hosts and VMs are there, and the VMs run. */
  async start({ hosts, hostSize, virtualMachines: machines }: Workload): Promise<void> {
    for (const name of [operatorNamespace, "default"]) {
      await this.client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    const metadata = { name: "identity", namespace: operatorNamespace };
    const data = { "ssh-privatekey": Buffer.from("simulated").toString("base64") };
    await this.client.create(secrets, { apiVersion: "v1", kind: "Secret", metadata, data });
    for (const host of hosts) {
      this.hosts.add(host.metadata.name, hostSize);
      await this.client.create(vmHosts, host);
    }
    await this.#manager.start();
    for (const machine of machines) await this.client.create(virtualMachines, machine);
    await this.clock.advance(120_000);
    const stuck = this.#machines.list().find((machine) => machine.status?.phase !== "Running");
    if (stuck) throw new Error(`VM ${stuck.metadata.name} does not run: ${JSON.stringify(stuck.status?.conditions)}`);
  }

  async stop(): Promise<void> {
    const stopped = this.#manager.stop();
    await this.clock.advance(stopMilliseconds);
    await stopped;
  }

  reservations(): Reservation[] {
    return this.#reservations.list();
  }

  async ask(reservation: Reservation): Promise<void> {
    await this.client.create(reservationResource, reservation);
    // The controllers learn of it and decide.
    await this.clock.advance(1000);
  }

  async forget(reservation: Reservation): Promise<void> {
    await this.client.delete(reservationResource, keyOf(reservation));
    await this.clock.advance(0);
  }

  /**
   * Lets the time pass until then. While nothing moves and nothing is due, all of it passes at once: what the
   * controllers would look at again and again stays the same meanwhile.
   */
  async passUntil(moment: Date): Promise<void> {
    const end = moment.getTime();
    while (this.clock.now().getTime() < end) {
      const now = this.clock.now().getTime();
      if (!this.#isBusy()) this.clock.leapTo(Math.min(end, this.#nextInstant(now) ?? end));
      this.hosts.refreshStates();
      await this.clock.advance(Math.min(1000, Math.max(0, end - this.clock.now().getTime())));
    }
    // Who overslept wakes now.
    await this.clock.advance(0);
  }

  /** A VM is being moved or is about to be. */
  #isBusy(): boolean {
    if (this.#machines.list().some(({ status }) => status?.migration !== undefined)) return true;
    const now = this.clock.now().getTime();
    return this.#reservations.list().some(({ status, metadata }) => {
      if (metadata.deletionTimestamp !== undefined || status?.conditions === undefined) return true;
      if (!isTrue(status.conditions, "Admitted") || isTrue(status.conditions, "Completed")) return false;
      if (Date.parse(status.window?.end ?? "") <= now) return true;
      return status.vacatingSince !== undefined && !isTrue(status.conditions, "Vacated");
    });
  }

  /** The next moment at which something is due. */
  #nextInstant(now: number): number | undefined {
    const instants = this.#reservations.list().flatMap(({ status }) => {
      const startBy = Date.parse(status?.startBy ?? "");
      return [
        startBy - wakeBeforeMilliseconds,
        startBy,
        ...[status?.window?.start, status?.window?.end].map((at) => Date.parse(at ?? "")),
      ];
    });
    const later = instants.filter((at) => at > now);
    return later.length > 0 ? Math.min(...later) : undefined;
  }
}
