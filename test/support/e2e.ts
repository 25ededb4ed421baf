import { expect } from "chai";
import { GuestWitness, type Testimony } from "../../hack/demo/guest-witness.ts";
import { ensureGuestImages } from "../../hack/guest/build.ts";
import type { TestHostOptions } from "../../hack/testbed/host.ts";
import { findLeaks, foldersOf } from "../../hack/testbed/leaks.ts";
import { Testbed } from "../../hack/testbed/testbed.ts";
import type { AgentClient } from "../../src/agent/protocol/client.ts";
import { keyOf } from "../../src/api/object.ts";
import {
  type Reservation,
  type Resource,
  reservations,
  type VirtualMachine,
  vacateApiVersion,
  virtualMachines,
  vmHosts,
} from "../../src/api/resources.ts";
import { startIn } from "../../src/cli/sample.ts";
import { eventually } from "./until.ts";

const namespace = "default";

/** Nothing in these tests takes that long on a busy machine; past it the test fails and says what it waited for. */
const patienceSeconds = 180;

type HostOptions = Partial<Omit<TestHostOptions, "folder">> & { name: string };

/** What the end-to-end tests do, in the words of a user. */
export class Scenario {
  readonly testbed: Testbed;
  readonly signal = AbortSignal.timeout(10 * 60_000);
  readonly witness: GuestWitness;

  constructor(testbed: Testbed) {
    this.testbed = testbed;
    this.witness = new GuestWitness(testbed.hosts);
  }

  async createGuest(name: string, options: { home?: string; memory?: string; image?: string } = {}): Promise<void> {
    const { home, memory = "128Mi", image = "counter" } = options;
    await this.testbed.client.create(virtualMachines, {
      apiVersion: vacateApiVersion,
      kind: "VirtualMachine",
      metadata: { name, namespace },
      spec: { cpus: 1, memory, disk: { image }, ...(home === undefined ? {} : { hostName: home }) },
    });
  }

  /** What a person does to move a VM. */
  async setHome(name: string, hostName: string): Promise<void> {
    await this.testbed.client.patch(virtualMachines, { namespace, name }, { spec: { hostName } });
  }

  async reserve(name: string, hostLabels: Record<string, string>, windowInSeconds: number, count = 1): Promise<void> {
    await this.testbed.client.create(reservations, {
      apiVersion: vacateApiVersion,
      kind: "Reservation",
      metadata: { name, namespace },
      spec: {
        hosts: { count, selector: { matchLabels: hostLabels } },
        window: { start: startIn(`${windowInSeconds}s`, new Date()), duration: "1m" },
      },
    });
  }

  /** Deletes it and waits until its finalizer let it go. */
  async deleteReservation(name: string): Promise<void> {
    const { client } = this.testbed;
    await client.delete(reservations, { namespace, name });
    const left = async () => (await client.list(reservations)).items.filter((each) => each.metadata.name === name);
    await patiently(`reservation ${name} gone`, left, (items) => items.length === 0);
  }

  guest(name: string): Promise<VirtualMachine> {
    return this.testbed.client.get(virtualMachines, { namespace, name });
  }

  reservation(name: string): Promise<Reservation> {
    return this.testbed.client.get(reservations, { namespace, name });
  }

  /** Waits until the guest is as wanted; the failure shows its status. */
  guestUntil(name: string, what: string, test: (vm: VirtualMachine) => boolean): Promise<VirtualMachine> {
    return patiently(`guest ${name} ${what}`, () => this.guest(name), test);
  }

  reservationUntil(name: string, what: string, test: (reservation: Reservation) => boolean): Promise<Reservation> {
    return patiently(`reservation ${name} ${what}`, () => this.reservation(name), test);
  }

  runningOn(name: string, hostName: string): Promise<VirtualMachine> {
    return this.guestUntil(name, `running on ${hostName}`, (vm) => isRunningOn(vm, hostName));
  }

  /** Deletes everything as a user would, and waits until no agent holds, takes part in or has set aside anything. */
  async expectEmptyAfterDeletion(): Promise<void> {
    const { client, hosts } = this.testbed;
    for (const resource of [reservations, virtualMachines] as Resource[]) {
      for (const { metadata } of (await client.list(resource)).items) await client.delete(resource, metadata);
    }
    const left = async () => {
      const objects = await Promise.all([client.list(reservations), client.list(virtualMachines)]);
      const holdings = await Promise.all(hosts.map((host) => host.withAgent((agent) => this.#holdings(agent))));
      return [...objects.flatMap((list) => list.items.map((object) => keyOf(object))), ...holdings.flat()];
    };
    await patiently("everything deleted", left, (each) => each.length === 0);
  }

  async #holdings(agent: AgentClient): Promise<object[]> {
    const { allocated } = await agent.host(this.signal);
    const isFree = Object.values(allocated).every((amount) => amount === 0);
    return [
      ...(await agent.guests(this.signal)),
      ...(await agent.migrations(this.signal)),
      ...(isFree ? [] : [allocated]),
    ];
  }

  /** Each guest is held by exactly one host, says so itself, and its counter, memory and disk went on. */
  async expectWhole(before: Map<string, Testimony>): Promise<void> {
    const proofs = await this.witness.prove(before, this.signal);
    expect(proofs.filter((proof) => !proof.whole)).to.deep.equal([]);
    const held = await Promise.all(
      this.testbed.hosts.map((host) => host.withAgent((agent) => agent.guests(this.signal))),
    );
    const names = held.flat().map((guest) => guest.name);
    expect(names.sort()).to.deep.equal([...before.keys()].sort());
  }
}

function isRunningOn(vm: VirtualMachine, hostName: string): boolean {
  return vm.status?.hostName === hostName && vm.status.migration === undefined && vm.status.phase === "Running";
}

export function condition(object: VirtualMachine | Reservation, type: string) {
  return object.status?.conditions?.find((each) => each.type === type);
}

/** Runs a scenario on hosts of its own with real guests, and afterwards proves that nothing of it is left. */
export async function onHosts(hosts: HostOptions[], use: (scenario: Scenario) => Promise<void>): Promise<void> {
  const imagesFolder = await ensureGuestImages();
  const testbed = new Testbed();
  const scenario = new Scenario(testbed);
  let folders: string[] = [];
  try {
    await testbed.startControlPlane(scenario.signal);
    await testbed.addHosts(
      hosts.map((host) => ({ driver: "QEMU", imagesFolder, ...host })),
      scenario.signal,
    );
    await patiently(
      "all hosts ready",
      () => testbed.client.list(vmHosts),
      ({ items }) =>
        items.length === hosts.length &&
        items.every(({ status }) =>
          status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True"),
        ),
    );
    await use(scenario);
    await scenario.expectEmptyAfterDeletion();
  } finally {
    folders = foldersOf(testbed);
    await testbed.remove();
  }
  expect(findLeaks(folders)).to.deep.equal([]);
}

function patiently<T>(what: string, ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  return eventually(what, ask, isWanted, patienceSeconds);
}
