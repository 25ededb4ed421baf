import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentClient } from "../../src/agent/protocol/client.ts";
import type { DriverName } from "../../src/agent/protocol/types.ts";
import type { Secret, VMHost } from "../../src/api/resources.ts";
import { vacateApiVersion } from "../../src/api/resources.ts";
import { connectLocalAgent } from "../../src/hosts/http-agent-client.ts";
import { type Child, startChild } from "./child.ts";
import { endProcessesNaming } from "./leaks.ts";
import { type Sshd, startSshd } from "./sshd.ts";

const vacate = new URL("../../bin/vacate", import.meta.url).pathname;

export interface TestHostOptions {
  name: string;
  /** Where its data, logs and keys lie. */
  folder: string;
  driver: DriverName;
  imagesFolder?: string;
  memory?: string;
  cpus?: number;
  cpuModel?: string;
  labels?: Record<string, string>;
  /** The agent's state folder is a tmpfs of this size, which only the agent sees. */
  stateFolderBytes?: number;
  /** More options for `vacate agent`. */
  agentOptions?: string[];
  /** Put before the agent's PATH: a folder of programs that behave otherwise. */
  programsFolder?: string;
}

/** A VM host on this machine: a real sshd on a port of its own, an agent, and folders of its own. */
export class TestHost {
  readonly name: string;
  readonly socketPath: string;
  readonly #options: TestHostOptions;
  readonly #stateFolder: string;
  readonly #runFolder: string;
  #agent: Child | undefined;
  #sshd: Sshd | undefined;

  constructor(options: TestHostOptions) {
    this.#options = options;
    this.name = options.name;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    // State in RAM wants a tmpfs, and sockets a short path: the kernel takes 107 bytes.
    this.#stateFolder = mkdtempSync(join("/dev/shm", `vacate-${options.name}-`));
    this.#runFolder = mkdtempSync(join(tmpdir(), `vacate-${options.name}-`));
    this.socketPath = join(this.#runFolder, "agent.sock");
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.startSshd(signal), this.startAgent(signal)]);
  }

  /** Started again, it has the port and the keys that it had before. */
  async startSshd(signal: AbortSignal): Promise<void> {
    const port = this.#sshd?.port;
    const folder = join(this.#options.folder, "ssh");
    this.#sshd = await startSshd({ folder, signal, ...(port === undefined ? {} : { port }) });
  }

  async startAgent(signal: AbortSignal): Promise<void> {
    const { folder, driver, imagesFolder, memory = "2Gi", cpus = 8, cpuModel, agentOptions = [] } = this.#options;
    const { stateFolderBytes } = this.#options;
    const { programsFolder } = this.#options;
    const command = [vacate, "agent", "--driver", driver, "--data-dir", join(folder, "data")];
    command.push("--state-dir", this.#stateFolder, "--run-dir", this.#runFolder, "--socket", this.socketPath);
    command.push("--data-address", "127.0.0.1", "--data-port", "0", "--memory", memory, "--cpus", String(cpus));
    if (driver === "QEMU") command.push("--accelerator", "tcg");
    if (imagesFolder !== undefined) command.push("--images", imagesFolder);
    if (cpuModel !== undefined) command.push("--cpu-model", cpuModel);
    const prefix = stateFolderBytes === undefined ? [] : withTmpfs(this.#stateFolder, stateFolderBytes);
    this.#agent = await startChild(`agent of ${this.name}`, [...prefix, ...command, ...agentOptions], {
      logFile: join(folder, "agent.log"),
      ...(programsFolder === undefined
        ? {}
        : { env: { ...process.env, PATH: `${programsFolder}:${process.env.PATH}` } }),
      signal,
    });
  }

  get agent(): Child {
    if (!this.#agent) throw new Error(`the agent of ${this.name} was not started`);
    return this.#agent;
  }

  get sshd(): Sshd {
    if (!this.#sshd) throw new Error(`the sshd of ${this.name} was not started`);
    return this.#sshd;
  }

  /** Asks the agent directly, past SSH and operator; close it after use. */
  async withAgent<T>(use: (agent: AgentClient) => Promise<T>): Promise<T> {
    const connection = await connectLocalAgent(this.socketPath);
    try {
      return await use(connection);
    } finally {
      await connection.close();
    }
  }

  /** Every folder that the host uses. */
  get folders(): string[] {
    return [this.#options.folder, this.#stateFolder, this.#runFolder];
  }

  /** The Secret that every VMHost of a testbed names must hold this key. */
  get privateKey(): string {
    return this.sshd.privateKey;
  }

  get secretName(): string {
    return `identity-${this.name}`;
  }

  identitySecret(namespace: string): Secret {
    return {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: this.secretName, namespace },
      type: "kubernetes.io/ssh-auth",
      data: { "ssh-privatekey": Buffer.from(this.privateKey).toString("base64") },
    };
  }

  manifest(): VMHost {
    const { name, labels, driver } = this.#options;
    return {
      apiVersion: vacateApiVersion,
      kind: "VMHost",
      metadata: { name, ...(labels ? { labels } : {}) },
      spec: {
        address: "127.0.0.1",
        sshPort: this.sshd.port,
        user: this.sshd.user,
        hostKey: this.sshd.hostKey,
        identitySecretName: this.secretName,
        agentSocket: this.socketPath,
        driver,
        linkMegabitsPerSecond: 1000,
      },
    };
  }

  /** Ends the agent, the sshd and every guest, and removes all that the host had, whatever state they are in. */
  async remove(): Promise<void> {
    await this.#agent?.stop();
    await this.#sshd?.stop();
    // Guests outlive their agent, and an interrupted migration may forbid it to end one.
    await endProcessesNaming([this.#stateFolder, this.#runFolder]);
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true });
  }
}

/** What to run a command under so that it finds a tmpfs at the folder, in a mount namespace of its own. */
function withTmpfs(folder: string, sizeBytes: number): string[] {
  const script = `mount -t tmpfs -o size=${sizeBytes},mode=700 tmpfs "$0" && exec "$@"`;
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  return ["unshare", "--mount", ...asRoot, "sh", "-c", script, folder];
}
