import type { AgentClient } from "../agent/protocol/client.ts";
import type * as protocol from "../agent/protocol/types.ts";
import { refuse, sourceOrders, targetOrders } from "./migration-orders.ts";
import type { SimulatedHosts } from "./simulated-hosts.ts";

export interface SimulatedAgentOptions {
  cpus?: number;
  memoryBytes?: number;
  images?: string[];
  driver?: protocol.DriverName;
  stateLanding?: protocol.StateLanding;
  cpuModel?: string;
}

export type OrderName = Exclude<
  keyof AgentClient,
  "events" | "guest" | "guests" | "host" | "migration" | "migrations" | "console"
>;
export type AgentCall = keyof AgentClient;

/** A host's agent in memory, which always answers: guests, migrations, epochs, tombstones and holds as the real one keeps them. */
export class SimulatedAgent implements AgentClient {
  readonly hostName: string;
  readonly hosts: SimulatedHosts;
  agentUuid: string;
  bootId: string;
  driver: protocol.DriverName;
  stateLanding: protocol.StateLanding;
  cpuModel: string;
  cpus: number;
  memoryBytes: number;
  images: string[];
  operatorTerm = 0;
  holds: protocol.AgentHold[] = [];
  readonly held = new Map<string, protocol.GuestReport>();
  readonly reports = new Map<string, protocol.MigrationReport>();
  readonly tombstones = new Map<string, number>();
  /** Whether the operator reaches it. */
  connected = true;

  constructor(hosts: SimulatedHosts, hostName: string, options: SimulatedAgentOptions = {}) {
    this.hosts = hosts;
    this.hostName = hostName;
    this.agentUuid = `agent-of-${hostName}`;
    this.bootId = `boot-1-of-${hostName}`;
    this.driver = options.driver ?? "Simulated";
    this.stateLanding = options.stateLanding ?? "RAM";
    this.cpuModel = options.cpuModel ?? "fake";
    this.cpus = options.cpus ?? 8;
    this.memoryBytes = options.memoryBytes ?? 2 ** 33;
    this.images = options.images ?? ["tiny"];
  }

  /** Puts a guest here as if it had been started long before. */
  addGuest(guest: Partial<protocol.GuestReport> & { uid: string; name: string }): protocol.GuestReport {
    const report: protocol.GuestReport = {
      namespace: "default",
      epoch: 1,
      state: "Running",
      cpus: 1,
      memoryBytes: 2 ** 29,
      image: "tiny",
      bootId: this.bootId,
      ...guest,
    };
    this.held.set(report.uid, report);
    this.changed(report.uid);
    return report;
  }

  // --- for migrations -----------------------------------------------------------------------------------------------

  setGuest(uid: string, change: Partial<protocol.GuestReport>): protocol.GuestReport {
    const guest = this.held.get(uid) ?? refuse("NotFound", `no guest ${uid} on ${this.hostName}`);
    const after = { ...guest, ...change, bootId: this.bootId };
    this.held.set(uid, after);
    this.changed(uid);
    return after;
  }

  setReport(id: string, change: Partial<protocol.MigrationReport>): protocol.MigrationReport {
    const report = this.reports.get(id) ?? refuse("NotFound", `no migration ${id} on ${this.hostName}`);
    const after = { ...report, ...change, measured: { ...report.measured, ...change.measured } };
    this.reports.set(id, after);
    this.hosts.emit(this.hostName, { type: "MigrationChanged", uid: report.uid, migrationId: id });
    return after;
  }

  removeGuest(uid: string): void {
    const guest = this.held.get(uid);
    if (!guest) return;
    this.held.delete(uid);
    this.tombstones.set(uid, guest.epoch);
    this.changed(uid);
  }

  changed(uid: string): void {
    this.hosts.emit(this.hostName, { type: "GuestChanged", uid });
  }

  /** Refuses what may not come to this host: held for others, no room, no image, an epoch given away. */
  admit(guest: { uid: string; epoch: number; cpus: number; memoryBytes: number; image: string }): void {
    const now = this.hosts.clock.now().getTime();
    const forbids = (hold: protocol.AgentHold) =>
      new Date(hold.until).getTime() > now && !hold.allowedUids.includes(guest.uid);
    if (this.holds.some(forbids)) refuse("HostHeld", `${this.hostName} is held for others`);
    if (!this.images.includes(guest.image)) refuse("ImageMissing", `${this.hostName} has no image ${guest.image}`);
    if (guest.epoch <= (this.tombstones.get(guest.uid) ?? -1)) {
      refuse("Tombstoned", `${this.hostName} gave epoch ${guest.epoch} of ${guest.uid} away`);
    }
    const used = this.#allocated(guest.uid);
    const fits = used.cpus + guest.cpus <= this.cpus && used.memoryBytes + guest.memoryBytes <= this.memoryBytes;
    if (!fits) refuse("HostFull", `${this.hostName} has no room for ${guest.uid}`);
  }

  // --- AgentClient -------------------------------------------------------------------------------------------------

  host(): Promise<protocol.HostReport> {
    return this.#ask("host", () => ({
      agentUuid: this.agentUuid,
      bootId: this.bootId,
      version: "0.1.0",
      driver: this.driver,
      accelerator: "simulated",
      cpuModel: this.cpuModel,
      machineType: "fake-1.0",
      stateLanding: this.stateLanding,
      capacity: { cpus: this.cpus, memoryBytes: this.memoryBytes, ...this.#stateRoom() },
      allocated: this.#allocated(),
      images: this.images.map((name) => ({ name, sha256: `sha-of-${name}` })),
      operatorTerm: this.operatorTerm,
      holds: this.holds,
    }));
  }

  /** Room for the state of guests: at least as large as their memory. */
  #stateRoom(): { stateBytes: number; stateFreeBytes: number } {
    const stateBytes = Math.max(2 ** 34, this.memoryBytes);
    return { stateBytes, stateFreeBytes: stateBytes / 2 };
  }

  guests(): Promise<protocol.GuestReport[]> {
    return this.#ask("guests", () => [...this.held.values()]);
  }

  guest(uid: string): Promise<protocol.GuestReport | undefined> {
    return this.#ask("guest", () => this.held.get(uid));
  }

  console(): Promise<string> {
    return this.#ask("console", () => "");
  }

  migrations(): Promise<protocol.MigrationReport[]> {
    return this.#ask("migrations", () => [...this.reports.values()]);
  }

  migration(id: string): Promise<protocol.MigrationReport | undefined> {
    return this.#ask("migration", () => this.reports.get(id));
  }

  start(order: protocol.StartOrder): Promise<protocol.GuestReport> {
    return this.#obey("start", order, () => {
      const { term: _term, ...wanted } = order;
      const guest = this.held.get(order.uid);
      if (guest && order.epoch < guest.epoch) refuse("StaleEpoch", `epoch ${order.epoch} is below ${guest.epoch}`);
      if (guest?.state === "Running" || guest?.state === "Starting") return guest;
      this.admit(order);
      return this.addGuest({ ...wanted, state: "Running", stateBytes: order.memoryBytes / 4 });
    });
  }

  stop(order: protocol.StopOrder): Promise<protocol.GuestReport> {
    return this.#obey("stop", order, () => this.setGuest(order.uid, { state: "Stopped" }));
  }

  adopt(order: protocol.AdoptOrder): Promise<protocol.GuestReport> {
    return this.#obey("adopt", order, () => {
      const adopted = this.held.get(order.newUid);
      if (adopted) return adopted;
      const guest = this.held.get(order.uid) ?? refuse("NotFound", `no guest ${order.uid}`);
      this.held.delete(order.uid);
      return this.addGuest({ ...guest, uid: order.newUid });
    });
  }

  discard(order: { term: number; uid: string }): Promise<void> {
    return this.#obey("discard", order, () => this.removeGuest(order.uid));
  }

  setHolds(order: protocol.HoldsOrder): Promise<void> {
    return this.#obey("setHolds", order, () => {
      this.holds = structuredClone(order.holds);
    });
  }

  prepareSource(order: protocol.PrepareSourceOrder): Promise<protocol.PrepareSourceAnswer> {
    return this.#obey("prepareSource", order, () => sourceOrders.prepare(this, order));
  }

  prepareTarget(order: protocol.PrepareTargetOrder): Promise<protocol.PrepareTargetAnswer> {
    return this.#obey("prepareTarget", order, () => targetOrders.prepare(this, order));
  }

  beginMigration(order: protocol.BeginMigrationOrder): Promise<protocol.MigrationReport> {
    return this.#obey("beginMigration", order, () => sourceOrders.begin(this, order));
  }

  abortMigration(order: protocol.MigrationOrder): Promise<protocol.MigrationReport> {
    return this.#obey("abortMigration", order, () => {
      const report = this.reports.get(order.migrationId) ?? refuse("NotFound", `no migration ${order.migrationId}`);
      return report.role === "Source" ? sourceOrders.abort(this, report) : targetOrders.abort(this, report);
    });
  }

  discardTarget(order: protocol.MigrationOrder): Promise<protocol.MigrationReport> {
    return this.#obey("discardTarget", order, () => targetOrders.discard(this, this.#report(order), "RolledBack"));
  }

  surrenderTarget(order: protocol.MigrationOrder): Promise<protocol.MigrationReport> {
    return this.#obey("surrenderTarget", order, () => targetOrders.discard(this, this.#report(order), "Surrendered"));
  }

  resumeTarget(order: protocol.MigrationOrder): Promise<protocol.MigrationReport> {
    return this.#obey("resumeTarget", order, () => targetOrders.resume(this, this.#report(order)));
  }

  releaseSource(order: protocol.MigrationOrder): Promise<protocol.MigrationReport> {
    return this.#obey("releaseSource", order, () => sourceOrders.release(this, this.#report(order)));
  }

  reclaimSource(order: protocol.ReclaimOrder): Promise<protocol.MigrationReport> {
    return this.#obey("reclaimSource", order, () => sourceOrders.reclaim(this, this.#report(order), order.epoch));
  }

  forgetMigration(order: protocol.MigrationOrder): Promise<void> {
    return this.#obey("forgetMigration", order, () => {
      const report = this.reports.get(order.migrationId);
      if (report && !report.settled) refuse("WrongState", `migration ${report.id} is at ${report.step}`);
      this.reports.delete(order.migrationId);
    });
  }

  async *events(): AsyncIterable<protocol.AgentEvent> {
    yield { type: "Hello", agentUuid: this.agentUuid, bootId: this.bootId };
  }

  #report(order: protocol.MigrationOrder): protocol.MigrationReport {
    return this.reports.get(order.migrationId) ?? refuse("NotFound", `no migration ${order.migrationId}`);
  }

  #allocated(except?: string): { cpus: number; memoryBytes: number; virtualMachines: number } {
    const taking = [...this.held.values()].filter(
      ({ uid, state }) => uid !== except && !["Stopped", "Crashed", "Lost"].includes(state),
    );
    const sum = (of: (guest: protocol.GuestReport) => number) => taking.reduce((total, guest) => total + of(guest), 0);
    return {
      cpus: sum((guest) => guest.cpus),
      memoryBytes: sum((guest) => guest.memoryBytes),
      virtualMachines: taking.length,
    };
  }

  /** What happens on the way here: time passes, or the connection breaks. Orders are given along. */
  protected async reached(call: AgentCall, _order?: object): Promise<void> {
    const milliseconds = this.hosts.answerMilliseconds(call);
    if (milliseconds > 0) await this.hosts.clock.sleep(milliseconds);
  }

  /** The order was obeyed; what this throws is what the caller hears instead of the answer. */
  protected obeyed(_call: AgentCall): void {}

  async #ask<T>(call: AgentCall, answer: () => T): Promise<T> {
    await this.reached(call);
    return answer();
  }

  async #obey<T>(name: OrderName, order: { term: number }, effect: () => T): Promise<T> {
    await this.reached(name, order);
    if (order.term < this.operatorTerm) refuse("StaleTerm", `term ${order.term} is below ${this.operatorTerm}`);
    this.operatorTerm = order.term;
    const answer = effect();
    this.obeyed(name);
    return answer;
  }
}
