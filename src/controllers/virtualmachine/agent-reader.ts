import type { AgentClient } from "../../agent/protocol/client.ts";
import type { GuestReport } from "../../agent/protocol/types.ts";
import { vmHostConditions } from "../../api/conditions.ts";
import type { VirtualMachine, VMHost } from "../../api/resources.ts";
import type { CacheReader } from "../../runtime/cache.ts";
import { findCondition } from "../../runtime/condition.ts";
import type { Hosts } from "../hosts.ts";
import { isTrusted } from "./host-check.ts";
import type { SideView } from "./repair.ts";
import type { HolderView, Inventory } from "./situation.ts";

type Silence = Extract<HolderView, { kind: "Silent" }>;
type Answer<T> = Silence | { kind: "GivenUp" } | { kind: "Answers"; value: T };

/** Asks agents what is true now, and makes of their silence what it means. */
export class AgentReader {
  readonly #hosts: Hosts;
  readonly #vmHosts: CacheReader<VMHost>;

  constructor(hosts: Hosts, vmHosts: CacheReader<VMHost>) {
    this.#hosts = hosts;
    this.#vmHosts = vmHosts;
  }

  /** One side of a migration. */
  async side(hostName: string, uid: string, migrationId: string, signal: AbortSignal): Promise<SideView> {
    const host = this.#vmHosts.get({ name: hostName });
    if (!host) return { kind: "Silent" };
    const answer = await this.#ask(host, signal, (agent) => readSide(agent, uid, migrationId, signal));
    if (answer.kind !== "Answers") return { kind: answer.kind };
    return answer.value ? { kind: "Answers", ...answer.value } : { kind: "Silent" };
  }

  /** What the host that has a VM's grant says of it. */
  async holder(hostName: string, uid: string, signal: AbortSignal): Promise<HolderView> {
    const host = this.#vmHosts.get({ name: hostName });
    if (!host) return { kind: "NoSuchHost" };
    const answer = await this.#ask(host, signal, (agent) => agent.guest(uid, signal));
    return answer.kind === "Answers" ? { kind: "Answers", guest: answer.value } : answer;
  }

  /** What all hosts say of the VM's namespace and name. A host that was given up counts as one that holds nothing. */
  async inventory(vm: VirtualMachine, signal: AbortSignal): Promise<Inventory> {
    const { uid, name, namespace } = vm.metadata;
    const isIt = (guest: GuestReport) =>
      guest.uid === uid || (guest.name === name && guest.namespace === (namespace ?? ""));
    const inventory: Inventory = { unanswered: [], found: [] };
    const hosts = this.#vmHosts.list();
    const answers = await Promise.all(hosts.map((host) => this.#ask(host, signal, (agent) => agent.guests(signal))));
    for (const [index, answer] of answers.entries()) {
      const hostName = hosts[index]?.metadata.name ?? "";
      if (answer.kind === "Silent") inventory.unanswered.push({ hostName, why: answer.why });
      if (answer.kind !== "Answers") continue;
      for (const guest of answer.value.filter(isIt)) inventory.found.push({ hostName, guest });
    }
    return inventory;
  }

  /** The agent of a host whose word may be taken; undefined when it does not answer. */
  agent(hostName: string): AgentClient | undefined {
    const host = this.#vmHosts.get({ name: hostName });
    return host && isTrusted(host) ? this.#hosts.agent(hostName) : undefined;
  }

  /** Hosts other than those given on which, by their status, an agent holds a guest of this uid. */
  othersWith(uid: string, except: readonly (string | undefined)[]): string[] {
    const lists = (host: VMHost) => (host.status?.virtualMachines ?? []).some((guest) => guest.uid === uid);
    return this.#vmHosts
      .list()
      .filter((host) => !except.includes(host.metadata.name) && lists(host))
      .map((host) => host.metadata.name);
  }

  /**
   * Asks the agent, after making sure that it is the one that was recorded for the host (R8): an agent with another
   * journal would say with a good conscience that it holds nothing.
   */
  async #ask<T>(host: VMHost, signal: AbortSignal, question: (agent: AgentClient) => Promise<T>): Promise<Answer<T>> {
    const name = host.metadata.name;
    const recorded = host.status?.agent;
    const agent = this.#hosts.agent(name);
    const connection = this.#hosts.connection(name);
    if (!agent) {
      const ready = findCondition(host.status?.conditions, vmHostConditions.Ready);
      // Without any connection: the vmhost controller has not come to it yet, or has found that it cannot be connected.
      const isConnecting = connection ? connection.state === "Connecting" : ready?.status === "True";
      const why = isConnecting ? "it is being connected" : (connection?.message ?? ready?.message);
      return silence(host, why ?? "it is being connected", isConnecting);
    }
    if (!isTrusted(host))
      return silence(host, "its agent is not the one that was recorded, see the VMHost's conditions");
    if (recorded?.uuid === undefined) return silence(host, "its agent was not yet identified");
    try {
      const report = await agent.host(signal);
      if (report.agentUuid !== recorded.uuid) return silence(host, "its agent's identity has changed");
      return { kind: "Answers", value: await question(agent) };
    } catch (error) {
      if (signal.aborted) throw error;
      return silence(host, error instanceof Error ? error.message : String(error));
    }
  }
}

const mostReadings = 5;

/**
 * Report and guest of one moment: a report from before the hand-over with the guest of after the release would look like
 * a source that has lost its state. Undefined while they keep changing.
 */
async function readSide(agent: AgentClient, uid: string, migrationId: string, signal: AbortSignal) {
  let report = await agent.migration(migrationId, signal);
  for (let reading = 0; reading < mostReadings; reading++) {
    const guest = await agent.guest(uid, signal);
    const after = await agent.migration(migrationId, signal);
    if (after?.step === report?.step && after?.settled === report?.settled) return { report: after, guest };
    report = after;
  }
  return undefined;
}

/** A host that does not answer is given up only when a person said so for the boot in which it was last seen (R7). */
function silence(host: VMHost, why: string, isConnecting = false): Silence | { kind: "GivenUp" } {
  const givenUp = host.spec.outOfService?.bootID;
  const isGivenUp = givenUp !== undefined && givenUp === host.status?.agent?.bootID;
  return isGivenUp ? { kind: "GivenUp" } : { kind: "Silent", why, isConnecting };
}
