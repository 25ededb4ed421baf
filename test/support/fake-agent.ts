import type { AgentClient } from "../../src/agent/protocol/client.ts";
import type * as protocol from "../../src/agent/protocol/types.ts";
import { HostConnectionError } from "../../src/hosts/host-connection-error.ts";
import type { FakeHosts } from "./fake-hosts.ts";
import { refuse, sourceOrders, targetOrders } from "./fake-migration-orders.ts";

export interface FakeAgentOptions {
  cpus?: number;
  memoryBytes?: number;
  images?: string[];
  driver?: protocol.DriverName;
  stateLanding?: protocol.StateLanding;
  cpuModel?: string;
}

type OrderName = Exclude<
  keyof AgentClient,
  "events" | "guest" | "guests" | "host" | "migration" | "migrations" | "console"
>;
type AnyCall = keyof AgentClient;

/** A host's agent in memory: guests, migrations, epochs, tombstones and holds as the real one keeps them. */
export class FakeAgent implements AgentClient {
  readonly hostName: string;
  readonly hosts: FakeHosts;
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
  /** The journal: change it to make a situation. */
  readonly held = new Map<string, protocol.GuestReport>();
  readonly reports = new Map<string, protocol.MigrationReport>();
  readonly tombstones = new Map<string, number>();
  /** Every order that was obeyed or refused, in order. Questions are not in it. */
  readonly orders: { name: OrderName; order: object }[] = [];
  readonly #hooks: { call: AnyCall; hook: () => void | Promise<void> }[] = [];
  readonly #lostAnswers: AnyCall[] = [];
  #boots = 1;
  connected = true;

  constructor(hosts: FakeHosts, hostName: string, options: FakeAgentOptions = {}) {
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

  // --- for tests ---------------------------------------------------------------------------------------------------

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

  /** The next such call is refused, before it has any effect. */
  refuseNext(call: AnyCall, reason: protocol.AgentReason, message = `refused by the test: ${reason}`): void {
    this.beforeNext(call, () => refuse(reason, message));
  }

  /** Runs before the next such call takes effect; what it throws is what the call rejects with. */
  beforeNext(call: AnyCall, hook: () => void | Promise<void>): void {
    this.#hooks.push({ call, hook });
  }

  /** The next such order is obeyed, but the connection breaks before its answer arrives. */
  loseNextAnswer(call: AnyCall): void {
    this.#lostAnswers.push(call);
  }

  /** The operator does not reach the agent any more; guests and the way to other agents are not touched. */
  disconnect(): void {
    this.connected = false;
    this.hosts.connectionChanged(this.hostName);
  }

  reconnect(): void {
    this.connected = true;
    this.hosts.connectionChanged(this.hostName);
    this.hosts.emit(this.hostName, { type: "Hello", agentUuid: this.agentUuid, bootId: this.bootId });
  }

  /** The guest's process dies. */
  crashGuest(uid: string): void {
    this.setGuest(uid, { state: "Crashed", reason: "GuestCrashed" });
  }

  /** The agent's process ends and starts again: transfers break, guests run on. */
  restart(): void {
    this.hosts.breakTransfers(this);
    this.disconnect();
    this.reconnect();
  }

  /** The host's kernel starts anew: every process is gone, and state in RAM with it. */
  reboot(): void {
    this.hosts.breakTransfers(this, { isDown: true });
    this.#boots++;
    this.bootId = `boot-${this.#boots}-of-${this.hostName}`;
    const keepsState = this.stateLanding === "Disk";
    for (const [uid, guest] of this.held) {
      if (guest.state === "Stopped" || guest.state === "Crashed") continue;
      if (keepsState && ["Suspended", "HandedOver", "Incoming"].includes(guest.state)) continue;
      this.held.set(uid, { ...guest, state: "Lost" });
    }
    for (const report of this.reports.values()) this.#afterReboot(report, keepsState);
    this.disconnect();
    this.reconnect();
  }

  #afterReboot(report: protocol.MigrationReport, keepsState: boolean): void {
    if (report.role === "Target") {
      if (report.step === "Loaded" && !keepsState)
        this.setReport(report.id, { reason: "StateLost", message: "rebooted" });
      return;
    }
    if (report.step === "Copying" && !keepsState) {
      this.setReport(report.id, { settled: true, reason: "StateLost", message: "rebooted" });
    } else if (["Prepared", "Suspending", "Copying"].includes(report.step)) {
      sourceOrders.rollBack(this, report, "AgentRestarted");
    }
  }

  // --- for the fakes -----------------------------------------------------------------------------------------------

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
      capacity: { cpus: this.cpus, memoryBytes: this.memoryBytes, stateBytes: 2 ** 34, stateFreeBytes: 2 ** 33 },
      allocated: this.#allocated(),
      images: this.images.map((name) => ({ name, sha256: `sha-of-${name}` })),
      operatorTerm: this.operatorTerm,
      holds: this.holds,
    }));
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

  async #ask<T>(call: AnyCall, answer: () => T): Promise<T> {
    this.#throwIfDisconnected();
    await this.#runHook(call);
    this.#throwIfDisconnected();
    return structuredClone(answer());
  }

  async #obey<T>(name: OrderName, order: { term: number }, effect: () => T): Promise<T> {
    this.#throwIfDisconnected();
    this.orders.push({ name, order: structuredClone(order) });
    await this.#runHook(name);
    this.#throwIfDisconnected();
    if (order.term < this.operatorTerm) refuse("StaleTerm", `term ${order.term} is below ${this.operatorTerm}`);
    this.operatorTerm = order.term;
    const answer = structuredClone(effect());
    const lost = this.#lostAnswers.indexOf(name);
    if (lost < 0) return answer;
    this.#lostAnswers.splice(lost, 1);
    throw new HostConnectionError("ConnectionLost", `the answer of ${this.hostName} to ${name} was lost`);
  }

  async #runHook(call: AnyCall): Promise<void> {
    const at = this.#hooks.findIndex((hook) => hook.call === call);
    if (at >= 0) await this.#hooks.splice(at, 1)[0]?.hook();
  }

  #throwIfDisconnected(): void {
    if (!this.connected) throw new HostConnectionError("ConnectionLost", `${this.hostName} does not answer`);
  }
}
