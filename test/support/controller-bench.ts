import { formatKey, type ObjectKey } from "../../src/api/object.ts";
import {
  overheadModels,
  reservations,
  type Secret,
  secrets,
  type VirtualMachine,
  type VMHost,
  virtualMachines,
  vmHosts,
} from "../../src/api/resources.ts";
import type { VirtualMachineSpec, VMHostSpec } from "../../src/api/types.gen.ts";
import { VirtualMachineController } from "../../src/controllers/virtualmachine/virtualmachine-controller.ts";
import { VMHostController } from "../../src/controllers/vmhost/vmhost-controller.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { isConflict } from "../../src/runtime/client.ts";
import { findCondition } from "../../src/runtime/condition.ts";
import type { SimulatedAgentOptions } from "../../src/simulation/simulated-agent.ts";
import type { FakeAgent } from "./fake-agent.ts";
import { FakeClient } from "./fake-client.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import { FakeHosts } from "./fake-hosts.ts";
import { RecordingEvents, reconcileContext } from "./recording-events.ts";

export const operatorNamespace = "vacate-system";

/**
 * The vmhost and virtualmachine controllers over a fake API server and fake agents. `settle` reconciles every object
 * again and again until nothing changes any more, as level-triggered controllers must allow at any time.
 */
export class ControllerBench {
  readonly clock = new FakeClock();
  readonly client = new FakeClient(this.clock);
  readonly hosts = new FakeHosts(this.clock);
  readonly events = new RecordingEvents();
  readonly metrics = createMetrics();
  term = 0;
  /** What reconciles threw since the last `settle` began, conflicts not counted. */
  readonly errors: unknown[] = [];
  vmHostController!: VMHostController;
  virtualMachineController!: VirtualMachineController;
  #ids = 0;

  constructor() {
    const metadata = { name: "identity", namespace: operatorNamespace };
    const data = { "ssh-privatekey": Buffer.from("the private key").toString("base64") };
    this.client.seed(secrets, { apiVersion: "v1", kind: "Secret", metadata, data } satisfies Secret);
    this.startOperator();
  }

  /** A new operator process: nothing is left of the memory of the one before. */
  startOperator(): void {
    this.term++;
    const { client, clock, hosts, events, metrics, term } = this;
    const dependencies = {
      ...{ client, clock, hosts, events, metrics, term },
      vmHosts: client.cache(vmHosts),
      virtualMachines: client.cache(virtualMachines),
      reservations: client.cache(reservations),
    };
    this.vmHostController = new VMHostController({
      ...dependencies,
      secrets: client.cache(secrets),
      operatorNamespace,
    });
    this.virtualMachineController = new VirtualMachineController({
      ...dependencies,
      overheadModels: client.cache(overheadModels),
      newId: () => `migration-${++this.#ids}`,
    });
  }

  /** A VMHost and its agent. */
  addHost(name: string, options: SimulatedAgentOptions = {}, spec: Partial<VMHostSpec> = {}): FakeAgent {
    const agent = this.hosts.add(name, options);
    this.client.seed(vmHosts, vmHost(name, spec));
    return agent;
  }

  async addVirtualMachine(name: string, spec: Partial<VirtualMachineSpec> = {}, namespace = "default") {
    return this.client.create(virtualMachines, virtualMachine(name, spec, namespace));
  }

  vm(name: string, namespace = "default"): VirtualMachine {
    const found = this.client.peek(virtualMachines, { namespace, name });
    if (!found) throw new Error(`no VirtualMachine ${namespace}/${name}`);
    return found;
  }

  hasVm(name: string, namespace = "default"): boolean {
    return this.client.peek(virtualMachines, { namespace, name }) !== undefined;
  }

  vmHost(name: string): VMHost {
    const found = this.client.peek(vmHosts, { name });
    if (!found) throw new Error(`no VMHost ${name}`);
    return found;
  }

  async setHome(name: string, hostName: string | null, namespace = "default"): Promise<void> {
    await this.client.patch(virtualMachines, { namespace, name }, { spec: { hostName } });
  }

  /** A condition as `Status Reason: message`. */
  condition(of: VirtualMachine | VMHost, type: string): string {
    const condition = findCondition(of.status?.conditions, type);
    return condition ? `${condition.status} ${condition.reason}: ${condition.message}` : "";
  }

  /** Reconciles everything until neither objects nor agents change, and time does not pass meanwhile. */
  async settle(rounds = 40): Promise<void> {
    this.errors.length = 0;
    for (let round = 0; round < rounds; round++) {
      const before = this.#state();
      await this.round();
      if (this.#state() === before) return;
    }
    throw new Error(`still changing after ${rounds} rounds; last error: ${this.errors.at(-1)}`);
  }

  /** Lets time pass in steps, with everything reconciled after each. */
  async advance(milliseconds: number, step = 500): Promise<void> {
    for (let left = milliseconds; left > 0; left -= step) {
      await this.clock.advance(Math.min(step, left));
      await this.settle();
    }
  }

  /** Reconciles every object once. */
  async round(): Promise<void> {
    for (const host of this.client.peekAll(vmHosts)) await this.#try("vmhost", { name: host.metadata.name });
    for (const { metadata } of this.client.peekAll(virtualMachines)) {
      await this.#try("virtualmachine", { namespace: metadata.namespace ?? "", name: metadata.name });
    }
  }

  async #try(controller: "vmhost" | "virtualmachine", key: ObjectKey): Promise<void> {
    const reconciled =
      controller === "vmhost"
        ? this.vmHostController.reconcile(key, reconcileContext())
        : this.virtualMachineController.reconcile(key, reconcileContext());
    try {
      await reconciled;
    } catch (error) {
      if (!isConflict(error)) this.errors.push(error);
    }
    await settle();
  }

  #state(): string {
    const objects = [...this.client.peekAll(vmHosts), ...this.client.peekAll(virtualMachines)];
    const versions = objects.map((object) => `${formatKey(object.metadata)} ${object.metadata.resourceVersion}`);
    const orders = this.client.peekAll(vmHosts).map(({ metadata }) => {
      const agent = this.hosts.agent(metadata.name);
      return agent ? this.hosts.fake(metadata.name).orders.length : "silent";
    });
    return JSON.stringify([versions, orders]);
  }
}

export function vmHost(name: string, spec: Partial<VMHostSpec> = {}): VMHost {
  return {
    apiVersion: "vacate.dev/v1alpha1",
    kind: "VMHost",
    metadata: { name, labels: { rack: `rack-of-${name}` } },
    spec: {
      address: `${name}.example`,
      hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample",
      identitySecretName: "identity",
      driver: "Simulated",
      ...spec,
    },
  };
}

export function virtualMachine(
  name: string,
  spec: Partial<VirtualMachineSpec> = {},
  namespace = "default",
): VirtualMachine {
  return {
    apiVersion: "vacate.dev/v1alpha1",
    kind: "VirtualMachine",
    metadata: { name, namespace, labels: { app: name } },
    spec: { cpus: 1, memory: "512Mi", disk: { image: "tiny" }, ...spec },
  };
}
