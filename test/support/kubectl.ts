import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { ensureKubectl } from "../../hack/kubectl/ensure.ts";

export const kubectlVersions = ["1.20", "1.32"] as const;
export type KubectlVersion = (typeof kubectlVersions)[number];

export interface KubectlResult {
  code: number;
  stdout: string;
  stderr: string;
}

interface RunOptions {
  /** Written to standard input: text as it is, anything else as JSON. */
  input?: unknown;
  environment?: Record<string, string>;
}

const commandLimitMilliseconds = 60_000;

/** One version of kubectl against one cluster, in one namespace unless a command names another. */
export class Kubectl {
  readonly version: KubectlVersion;
  readonly namespace: string;
  readonly #path: string;
  readonly #flags: string[];

  private constructor(version: KubectlVersion, path: string, flags: string[], namespace: string) {
    this.version = version;
    this.#path = path;
    this.#flags = flags;
    this.namespace = namespace;
  }

  /** @param cacheFolder where kubectl keeps what it learned of the cluster; ours, so that the user's is not touched */
  static async create(
    version: KubectlVersion,
    kubeconfigPath: string,
    cacheFolder: string,
    namespace = "default",
  ): Promise<Kubectl> {
    const flags = [`--kubeconfig=${kubeconfigPath}`, `--cache-dir=${cacheFolder}`];
    return new Kubectl(version, await ensureKubectl(version), flags, namespace);
  }

  in(namespace: string): Kubectl {
    return new Kubectl(this.version, this.#path, this.#flags, namespace);
  }

  /** Runs a command to its end, however that is. */
  async run(args: string[], options: RunOptions = {}): Promise<KubectlResult> {
    const child = this.#spawn(args, options);
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    }
    child.stdin?.on("error", () => {}); // kubectl may end without reading all of it
    child.stdin?.end(inputText(options.input));
    const [code] = (await once(child, "close")) as [number | null];
    return { code: code ?? -1, ...output };
  }

  /** @returns standard output. @throws Error with both outputs when the command fails */
  async ok(args: string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code !== 0) throw new Error(`${this.#title(args)} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** @returns standard error. @throws Error when the command succeeds */
  async fails(args: string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code === 0) throw new Error(`${this.#title(args)} was expected to fail, but said: ${stdout}`);
    return stderr;
  }

  /** The object as the server has it. */
  async get<Result>(resource: string, name: string): Promise<Result> {
    return JSON.parse(await this.ok(["get", resource, name, "-o", "json"])) as Result;
  }

  /** Starts a command that goes on until it is stopped, such as `get --watch`. */
  start(args: string[]): RunningKubectl {
    return new RunningKubectl(this.#spawn(args, {}), this.#title(args));
  }

  #title(args: string[]): string {
    return `kubectl ${this.version} ${args.join(" ")}`;
  }

  #spawn(args: string[], options: RunOptions): ChildProcess {
    const environment = { PATH: process.env.PATH, HOME: "/nonexistent", ...options.environment };
    const inNamespace = args.some((arg) => arg === "-A" || arg === "--raw") ? [] : [`--namespace=${this.namespace}`];
    return spawn(this.#path, [...this.#flags, ...inNamespace, ...args], {
      env: environment,
      stdio: ["pipe", "pipe", "pipe"],
      timeout: commandLimitMilliseconds,
    });
  }
}

function inputText(input: unknown): string {
  if (input === undefined) return "";
  return typeof input === "string" ? input : JSON.stringify(input);
}

/** A kubectl that is still running, and what it said so far. */
export class RunningKubectl {
  readonly #child: ChildProcess;
  readonly #title: string;
  readonly #closed: Promise<unknown>;
  readonly #news = new EventTarget();
  #text = "";
  #hasEnded = false;

  constructor(child: ChildProcess, title: string) {
    this.#child = child;
    this.#title = title;
    this.#closed = once(child, "close").then(() => {
      this.#hasEnded = true;
      this.#news.dispatchEvent(new Event("news"));
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#text += text;
        this.#news.dispatchEvent(new Event("news"));
      });
    }
  }

  get text(): string {
    return this.#text;
  }

  /** Waits until it has said this. @throws Error when it ends before */
  async said(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#text)) {
      if (this.#hasEnded) throw new Error(`${this.#title} ended without ${pattern}, it said: ${this.#text}`);
      await once(this.#news, "news");
    }
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#closed;
  }
}
