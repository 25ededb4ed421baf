import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/api/clock.ts";
import { secrets, vmHosts } from "../../src/api/resources.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { isAlreadyExists } from "../../src/runtime/client.ts";
import { HttpClient } from "../../src/runtime/http-client.ts";
import { loadConnection } from "../../src/runtime/kube-config.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { TestHost, type TestHostOptions } from "./host.ts";

const operatorNamespace = "vacate-system";

/** A control plane and some hosts on this machine. */
export class Testbed {
  readonly folder: string;
  readonly hosts: TestHost[] = [];
  #controlPlane: ControlPlane | undefined;
  #client: HttpClient | undefined;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "vacate-testbed-"));
  }

  get controlPlane(): ControlPlane {
    if (!this.#controlPlane) throw new Error("the control plane was not started");
    return this.#controlPlane;
  }

  get client(): HttpClient {
    if (!this.#client) throw new Error("the control plane was not started");
    return this.#client;
  }

  async startControlPlane(signal: AbortSignal): Promise<void> {
    this.#controlPlane = await startControlPlane(this.folder, signal);
    await this.#client?.close();
    const connection = await loadConnection({ path: this.#controlPlane.kubeconfigPath });
    this.#client = new HttpClient({ connection, clock: systemClock, metrics: createMetrics() });
  }

  /** Starts hosts and makes them known to the API. */
  async addHosts(options: Omit<TestHostOptions, "folder">[], signal: AbortSignal): Promise<void> {
    const added = options.map((each) => new TestHost({ ...each, folder: join(this.folder, each.name) }));
    // Noted before they start, so that an interrupted start is cleaned up as well.
    this.hosts.push(...added);
    await Promise.all(added.map((host) => host.start(signal)));
    for (const host of added) {
      await this.client.create(secrets, host.identitySecret(operatorNamespace), { signal }).catch(unlessExists);
      await this.client.create(vmHosts, host.manifest(), { signal }).catch(unlessExists);
    }
  }

  host(name: string): TestHost {
    const found = this.hosts.find((host) => host.name === name);
    if (!found) throw new Error(`the testbed has no host ${name}`);
    return found;
  }

  /** Runs kubectl as a user would. Resolves with what it printed. */
  kubectl(binary: string, ...args: string[]): Promise<string> {
    const environment = { ...process.env, KUBECONFIG: this.controlPlane.kubeconfigPath };
    return new Promise((resolve, reject) => {
      execFile(binary, args, { env: environment }, (error, stdout, stderr) =>
        error ? reject(new Error(`kubectl ${args.join(" ")}: ${stderr || error.message}`)) : resolve(stdout),
      );
    });
  }

  /** Ends everything that was started, guests included, and removes every file. */
  async remove(): Promise<void> {
    await this.#client?.close();
    // The operator first: it would start again what goes away.
    await this.#controlPlane?.process.stop();
    const results = await Promise.allSettled(this.hosts.map((host) => host.remove()));
    rmSync(this.folder, { recursive: true, force: true });
    const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join("; "));
  }
}

function unlessExists(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}
