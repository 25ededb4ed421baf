import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import { type Child, startChild } from "../../hack/testbed/child.ts";
import { TestHost, type TestHostOptions } from "../../hack/testbed/host.ts";
import { findLeaks } from "../../hack/testbed/leaks.ts";
import { systemClock } from "../../src/api/clock.ts";
import type { KubernetesObject } from "../../src/api/object.ts";
import {
  namespaces,
  overheadModels,
  type Resource,
  reservations,
  secrets,
  virtualMachines,
  vmHosts,
} from "../../src/api/resources.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { isAlreadyExists, isNotFound } from "../../src/runtime/client.ts";
import { HttpClient } from "../../src/runtime/http-client.ts";
import { loadConnection } from "../../src/runtime/kube-config.ts";
import { type ServerUnderTest, startServerUnderTest } from "./server-under-test.ts";
import { eventually } from "./until.ts";

const vacate = new URL("../../bin/vacate", import.meta.url).pathname;

const guestsAndReservations = [reservations, virtualMachines] as unknown as Resource[];

type HostOptions = Partial<Omit<TestHostOptions, "folder">> & { name: string };

/**
 * The whole operator in a process of its own, on the API server under test, with hosts that are real but for their
 * guests: sshd, agent and transfers are the real ones.
 */
export class ClusterScene {
  readonly server: ServerUnderTest;
  readonly client: HttpClient;
  /** Of VMs and reservations. */
  readonly namespace: string;
  /** Of the operator and the hosts' identities. */
  readonly operatorNamespace: string;
  readonly folder: string;
  readonly hosts: TestHost[] = [];
  readonly signal = AbortSignal.timeout(10 * 60_000);
  readonly #madeNamespaces: string[] = [];
  #operator: Child | undefined;

  protected constructor(server: ServerUnderTest, client: HttpClient, operatorNamespace?: string) {
    const suffix = randomBytes(3).toString("hex");
    this.server = server;
    this.client = client;
    this.namespace = `guests-${suffix}`;
    this.operatorNamespace = operatorNamespace ?? `operator-${suffix}`;
    this.folder = mkdtempSync(join(tmpdir(), "vacate-scene-"));
  }

  /** Starts or prepares the server. */
  protected static async openServer(): Promise<[ServerUnderTest, HttpClient]> {
    const server = await startServerUnderTest();
    const connection = await loadConnection({ path: server.kubeconfigPath });
    return [server, new HttpClient({ connection, clock: systemClock, metrics: createMetrics() })];
  }

  /** Makes sure that nobody else's hosts are there, and makes the namespaces. */
  protected async prepare(): Promise<void> {
    try {
      const { items } = await this.client.list(vmHosts);
      const names = items.map(({ metadata }) => metadata.name);
      expect(names, "the operator cares for all hosts of a cluster, so there must be none before").to.deep.equal([]);
      await this.makeNamespace(this.namespace);
      await this.makeNamespace(this.operatorNamespace);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Makes a namespace for the time of the scene; one that is there already stays afterwards. */
  async makeNamespace(name: string): Promise<void> {
    try {
      await this.client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
      this.#madeNamespaces.push(name);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }

  /** Starts hosts, with the Simulated driver unless told otherwise, without telling the API. */
  async startHosts(...options: HostOptions[]): Promise<TestHost[]> {
    const started = options.map(
      (each) => new TestHost({ driver: "Simulated", ...each, folder: join(this.folder, each.name) }),
    );
    // Noted before they start, so that an interrupted start is cleaned up as well.
    this.hosts.push(...started);
    await Promise.all(started.map((host) => host.start(this.signal)));
    return started;
  }

  /** Starts hosts and makes them known to the API. */
  async addHosts(...options: HostOptions[]): Promise<TestHost[]> {
    const started = await this.startHosts(...options);
    for (const host of started) {
      await this.client.create(secrets, host.identitySecret(this.operatorNamespace));
      await this.client.create(vmHosts, host.manifest());
    }
    return started;
  }

  async startOperator(kubeconfigPath = this.server.kubeconfigPath): Promise<void> {
    const command = [vacate, "operator", "--kubeconfig", kubeconfigPath, "--metrics-port", "0"];
    command.push("--namespace", this.operatorNamespace);
    this.#operator = await startChild("vacate operator", command, {
      logFile: join(this.folder, "operator.log"),
      signal: this.signal,
    });
  }

  get operator(): Child {
    if (!this.#operator) throw new Error("the operator was not started");
    return this.#operator;
  }

  /** The sum of a metric over all of its labels, or of those series that begin so. */
  async metric(start: string): Promise<number> {
    const { metrics } = JSON.parse(this.operator.readyLine) as { metrics: string };
    const lines = (await (await fetch(metrics)).text()).split("\n").filter((line) => line.startsWith(start));
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  /** How often controllers look at objects, measured over so many seconds. */
  async reconcilesPerSecond(seconds: number): Promise<number> {
    const before = await this.metric("vacate_reconcile_total{");
    await pause(seconds * 1000);
    return ((await this.metric("vacate_reconcile_total{")) - before) / seconds;
  }

  testHost(name: string): TestHost {
    const found = this.hosts.find((host) => host.name === name);
    if (!found) throw new Error(`the scene has no host ${name}`);
    return found;
  }

  async delete<T extends KubernetesObject>(resource: Resource<T>, name: string): Promise<void> {
    const key = resource.namespaced ? { namespace: this.namespace, name } : { name };
    await this.client.delete(resource, key).catch(unlessNotFound);
  }

  async gone<T extends KubernetesObject>(resource: Resource<T>, name: string): Promise<void> {
    await eventually(
      `${resource.kind} ${name} gone`,
      async () => (await this.client.list(resource)).items.map(({ metadata }) => metadata.name),
      (names) => !names.includes(name),
    );
  }

  /** Deletes every VM and reservation of the scene, and waits until their finalizers have let them go. */
  async clear(): Promise<void> {
    for (const resource of guestsAndReservations) {
      for (const { metadata } of await this.#own(resource)) {
        await this.client.delete(resource, metadata).catch(unlessNotFound);
      }
      await eventually(
        `all ${resource.plural} gone`,
        () => this.#own(resource),
        (items) => items.length === 0,
      );
    }
  }

  async #own(resource: Resource): Promise<KubernetesObject[]> {
    const { items } = await this.client.list(resource);
    return items.filter(({ metadata }) => this.#madeNamespaces.includes(metadata.namespace ?? ""));
  }

  /** What a failed test left, which nobody is there any more to release. @returns its names */
  async #dropLeftObjects(): Promise<string[]> {
    const left: string[] = [];
    for (const resource of guestsAndReservations) {
      for (const { metadata } of await this.#own(resource)) {
        left.push(`${resource.kind} ${metadata.name}`);
        await this.client.delete(resource, metadata).catch(unlessNotFound);
        await this.client.patch(resource, metadata, { metadata: { finalizers: null } }).catch(unlessNotFound);
      }
    }
    return left;
  }

  /** What the agents hold, as `host: namespace/name`, sorted. */
  async inventory(): Promise<string[]> {
    const lists = await Promise.all(
      this.hosts.map((host) =>
        host.withAgent(async (agent) =>
          (await agent.guests(this.signal)).map((guest) => `${host.name}: ${guest.namespace}/${guest.name}`),
        ),
      ),
    );
    return lists.flat().sort();
  }

  async inventoryBecomes(...wanted: string[]): Promise<void> {
    const isWanted = (found: string[]) => isDeepStrictEqual(found, wanted.sort());
    await eventually(`guests ${wanted.join(", ")}`, () => this.inventory(), isWanted);
  }

  /** Ends everything, whatever state it is in, and proves that nothing is left: no guest, process, folder or mount. */
  async stop(): Promise<void> {
    const folders = [this.folder, ...this.hosts.flatMap((host) => host.folders)];
    const guests = this.#operator ? await this.inventory().catch((error: Error) => [error.message]) : [];
    await this.#operator?.stop();
    const objects = await this.#dropLeftObjects();
    await Promise.allSettled(this.hosts.map((host) => host.remove()));
    for (const { metadata } of (await this.client.list(vmHosts)).items) await this.delete(vmHosts, metadata.name);
    for (const { metadata } of (await this.client.list(overheadModels)).items) {
      await this.delete(overheadModels, metadata.name);
    }
    for (const { secretName } of this.hosts) {
      const key = { namespace: this.operatorNamespace, name: secretName };
      await this.client.delete(secrets, key).catch(unlessNotFound);
    }
    for (const name of this.#madeNamespaces) await this.client.delete(namespaces, { name }).catch(unlessNotFound);
    await this.client.close();
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
    expect([...guests, ...objects, ...findLeaks(folders)]).to.deep.equal([]);
  }
}

function unlessNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
