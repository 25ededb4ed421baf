import type { AgentReason, MigrationReport } from "../../src/agent/protocol/types.ts";
import { HostConnectionError } from "../../src/hosts/host-connection-error.ts";
import { refuse, sourceOrders } from "../../src/simulation/migration-orders.ts";
import {
  type AgentCall,
  type OrderName,
  SimulatedAgent,
  type SimulatedAgentOptions,
} from "../../src/simulation/simulated-agent.ts";
import type { FakeHosts } from "./fake-hosts.ts";

/** An agent that keeps every order and can be made to fail in every way. */
export class FakeAgent extends SimulatedAgent {
  override readonly hosts: FakeHosts;
  /** Every order that was obeyed or refused, in order. Questions are not in it. */
  readonly orders: { name: OrderName; order: object }[] = [];
  readonly #hooks: { call: AgentCall; hook: () => void | Promise<void> }[] = [];
  readonly #lostAnswers: AgentCall[] = [];
  #boots = 1;

  constructor(hosts: FakeHosts, hostName: string, options: SimulatedAgentOptions = {}) {
    super(hosts, hostName, options);
    this.hosts = hosts;
  }

  /** The next such call is refused, before it has any effect. */
  refuseNext(call: AgentCall, reason: AgentReason, message = `refused by the test: ${reason}`): void {
    this.beforeNext(call, () => refuse(reason, message));
  }

  /** Runs before the next such call takes effect; what it throws is what the call rejects with. */
  beforeNext(call: AgentCall, hook: () => void | Promise<void>): void {
    this.#hooks.push({ call, hook });
  }

  /** The next such order is obeyed, but the connection breaks before its answer arrives. */
  loseNextAnswer(call: AgentCall): void {
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

  #afterReboot(report: MigrationReport, keepsState: boolean): void {
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

  protected override async reached(call: AgentCall, order?: object): Promise<void> {
    this.#throwIfDisconnected();
    if (order) this.orders.push({ name: call as OrderName, order: structuredClone(order) });
    const at = this.#hooks.findIndex((hook) => hook.call === call);
    if (at >= 0) await this.#hooks.splice(at, 1)[0]?.hook();
    this.#throwIfDisconnected();
  }

  protected override obeyed(call: AgentCall): void {
    const lost = this.#lostAnswers.indexOf(call);
    if (lost < 0) return;
    this.#lostAnswers.splice(lost, 1);
    throw new HostConnectionError("ConnectionLost", `the answer of ${this.hostName} to ${call} was lost`);
  }

  #throwIfDisconnected(): void {
    if (!this.connected) throw new HostConnectionError("ConnectionLost", `${this.hostName} does not answer`);
  }
}
