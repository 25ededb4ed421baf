import { expect } from "chai";
import type { LabelSelector } from "../../src/api/label-selector.ts";
import type { KubernetesObject, ObjectKey } from "../../src/api/object.ts";
import {
  events,
  type Reservation,
  reservations,
  type VirtualMachine,
  type VMHost,
  vacateApiVersion,
  virtualMachines,
  vmHosts,
} from "../../src/api/resources.ts";
import type { VMHostSpec } from "../../src/api/types.gen.ts";
import { startIn } from "../../src/cli/sample.ts";
import { findCondition } from "../../src/runtime/condition.ts";
import { ClusterScene } from "./cluster-scene.ts";
import { eventually } from "./until.ts";

/** What may be said of a VM beside its name. */
export interface VirtualMachineOptions {
  home?: string;
  memory?: string;
  cpus?: number;
  image?: string;
  namespace?: string;
  deletionPolicy?: "Delete" | "Retain";
}

/** What may be asked for beside one host, any host, for a minute in an hour. */
export interface ReservationOptions {
  /** The hosts' label of that name. */
  pool?: string;
  selector?: LabelSelector;
  count?: number;
  /** From now, such as `25s`. */
  in?: string;
  start?: string;
  duration?: string;
}

/** What the tests of the whole operator do, in the words of a user. */
export class OperatorScene extends ClusterScene {
  /** Prepares server and namespaces; hosts and operator are started by the test. */
  static async start(options: { operatorNamespace?: string } = {}): Promise<OperatorScene> {
    const scene = new OperatorScene(...(await ClusterScene.openServer()), options.operatorNamespace);
    await scene.prepare();
    return scene;
  }

  async createGuest(name: string, options: VirtualMachineOptions = {}): Promise<VirtualMachine> {
    const { home, memory = "64Mi", cpus = 1, image = "counter", namespace = this.namespace, deletionPolicy } = options;
    return this.client.create(virtualMachines, {
      apiVersion: vacateApiVersion,
      kind: "VirtualMachine",
      metadata: { name, namespace },
      spec: {
        ...{ cpus, memory, disk: { image } },
        ...(home === undefined ? {} : { hostName: home }),
        ...(deletionPolicy === undefined ? {} : { deletionPolicy }),
      },
    });
  }

  /** What a person does to move a VM. */
  async setHome(name: string, hostName: string): Promise<void> {
    await this.client.patch(virtualMachines, this.keyOf(name), { spec: { hostName } });
  }

  async setPowerState(name: string, powerState: "Running" | "Stopped"): Promise<void> {
    await this.client.patch(virtualMachines, this.keyOf(name), { spec: { powerState } });
  }

  async reserve(name: string, { pool, selector, count = 1, start, ...window }: ReservationOptions): Promise<void> {
    const byPool = pool === undefined ? {} : { matchLabels: { pool } };
    await this.client.create(reservations, {
      apiVersion: vacateApiVersion,
      kind: "Reservation",
      metadata: { name, namespace: this.namespace },
      spec: {
        hosts: { count, selector: selector ?? byPool },
        window: { start: start ?? startIn(window.in ?? "1h", new Date()), duration: window.duration ?? "1m" },
      },
    });
  }

  /** Of a VM or reservation of the scene. */
  keyOf(name: string): ObjectKey {
    return { namespace: this.namespace, name };
  }

  guest(name: string, namespace = this.namespace): Promise<VirtualMachine> {
    return this.client.get(virtualMachines, { namespace, name });
  }

  host(name: string): Promise<VMHost> {
    return this.client.get(vmHosts, { name });
  }

  guestUntil(name: string, what: string, isWanted: (vm: VirtualMachine) => boolean): Promise<VirtualMachine> {
    return eventually(`guest ${name} ${what}`, () => this.guest(name), isWanted);
  }

  runningOn(name: string, ...hostNames: string[]): Promise<VirtualMachine> {
    return this.guestUntil(name, `running on ${hostNames.join(" or ")}`, (vm) => isRunningOn(vm, ...hostNames));
  }

  reservation(name: string): Promise<Reservation> {
    return this.client.get(reservations, this.keyOf(name));
  }

  reservationUntil(name: string, what: string, isWanted: (object: Reservation) => boolean): Promise<Reservation> {
    return eventually(`reservation ${name} ${what}`, () => this.reservation(name), isWanted, 90);
  }

  hostUntil(name: string, what: string, isWanted: (host: VMHost) => boolean): Promise<VMHost> {
    return eventually(`host ${name} ${what}`, () => this.host(name), isWanted);
  }

  /** Waits until the status of every host says that nothing is taken: it follows what the agents say. */
  async hostsEmpty(): Promise<void> {
    for (const { name } of this.hosts) {
      const isEmpty = ({ status }: VMHost) => status?.allocated?.virtualMachines === 0;
      const { status } = await this.hostUntil(name, "empty", isEmpty);
      expect(status?.allocated).to.deep.equal({ cpus: 0, memory: "0Mi", virtualMachines: 0 });
    }
  }

  /** Waits for `Ready` with this status and reason. @returns its message */
  async hostReady(name: string, status: "True" | "False", reason: string): Promise<string> {
    const host = await this.hostUntil(name, reason, (object) => {
      const ready = findCondition(object.status?.conditions, "Ready");
      return ready?.status === status && ready.reason === reason;
    });
    return findCondition(host.status?.conditions, "Ready")?.message ?? "";
  }

  /** Waits until a condition has this status and reason. @returns its message */
  async guestCondition(name: string, type: string, status: string, reason: string): Promise<string> {
    const vm = await this.guestUntil(name, `${type}=${status} ${reason}`, (object) => {
      const condition = findCondition(object.status?.conditions, type);
      return condition?.status === status && condition.reason === reason;
    });
    return findCondition(vm.status?.conditions, type)?.message ?? "";
  }

  /** Breaks the operator's connection to a host, and lets it connect again. */
  async restartSshd(name: string): Promise<void> {
    await this.testHost(name).sshd.stop();
    await this.hostReady(name, "False", "ConnectionRefused");
    await this.testHost(name).startSshd(this.signal);
    await this.hostReady(name, "True", "AgentAnswers");
  }

  /** Waits for the event; they are written in the background. @returns how often it was counted by then */
  async eventCount({ metadata }: KubernetesObject, reason: string): Promise<number> {
    const count = async () => {
      const { items } = await this.client.list(events);
      const meant = items.filter((event) => event.involvedObject.uid === metadata.uid && event.reason === reason);
      return meant.reduce((sum, event) => sum + (event.count ?? 1), 0);
    };
    return eventually(`event ${reason} of ${metadata.name}`, count, (times) => times > 0);
  }

  /** Waits until the reservation is refused for this reason. @returns the message */
  async refusal(name: string, reason: string): Promise<string> {
    const admitted = ({ status }: Reservation) => findCondition(status?.conditions, "Admitted");
    const isRefused = (object: Reservation) => admitted(object)?.reason === reason;
    const refused = await this.reservationUntil(name, `refused for ${reason}`, isRefused);
    expect(admitted(refused)?.status).to.equal("False");
    return admitted(refused)?.message ?? "";
  }

  /** A VMHost with the sshd and agent of a host, but for some fields. */
  hostLike(model: string, name: string, differences: Partial<VMHostSpec>): VMHost {
    const manifest = this.testHost(model).manifest();
    return { ...manifest, metadata: { name }, spec: { ...manifest.spec, ...differences } };
  }
}

function isRunningOn(vm: VirtualMachine, ...hostNames: string[]): boolean {
  const { status } = vm;
  return hostNames.includes(status?.hostName ?? "") && status?.migration === undefined && status?.phase === "Running";
}
