import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../testbed/free-port.ts";
import { type Identities, makeIdentities } from "./identities.ts";

export interface ControlPlane {
  /** A kubeconfig of a user who may do everything. */
  kubeconfigPath: string;
  /** A kubeconfig of a user who may do nothing, to try access rules with. */
  nobodyKubeconfigPath: string;
  /** Ends all its processes and waits until they are gone. The folder stays. */
  stop(): Promise<void>;
}

const startLimitMilliseconds = 90_000;
/** A watch that somebody left open keeps kube-apiserver 1.20 from ending for up to a minute. */
const stopGraceMilliseconds = 2000;
/** Those of the controllers that tests see the work of; the others only cost processor time. */
const controllers = ["namespace", "garbagecollector", "serviceaccount", "serviceaccount-token"];

/**
 * Starts etcd, kube-apiserver and kube-controller-manager, with new identities and an empty store.
 *
 * The API server's port on 127.0.0.1 is the only one opened: etcd listens on Unix sockets in `folder`.
 *
 * @param folder empty and private; its path must be short enough for a Unix socket
 * @param programs the folder that build.sh printed
 * @throws Error with the end of the log of the program that failed
 */
export async function startControlPlane(folder: string, programs: string, signal?: AbortSignal): Promise<ControlPlane> {
  const identities = await makeIdentities(folder);
  mkdirSync(join(folder, "log"));
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const kubeconfigPath = writeKubeconfig(folder, "admin", url, identities.authority, identities.adminToken);
  const nobodyKubeconfigPath = writeKubeconfig(folder, "nobody", url, identities.authority, identities.nobodyToken);

  const started: Program[] = [];
  const stop = async () => {
    // The store last: whoever uses it would otherwise fill its log with complaints.
    for (const program of started.splice(0).reverse()) await program.stop();
  };
  try {
    for (const [name, flags] of commandLines(port)) {
      // The controller manager gives up on an API server that does not answer within ten seconds.
      if (name === "kube-controller-manager") await untilAnswered(`${url}/readyz`, identities, started, signal);
      started.push(new Program(name, flags, folder, programs));
    }
    // Pods and other things are refused in a namespace before its default service account is there.
    const account = `${url}/api/v1/namespaces/default/serviceaccounts/default`;
    await untilAnswered(account, identities, started, signal);
  } catch (error) {
    await stop();
    throw error;
  }
  return { kubeconfigPath, nobodyKubeconfigPath, stop };
}

function commandLines(port: number): [string, string[]][] {
  // etcd wants a port in the address; the socket's file name is then "etcd.sock:1", relative to the working directory.
  const store = "unix://etcd.sock:1";
  const unused = "http://127.0.0.1:1";
  const etcd = ["--name=test", "--data-dir=etcd", `--listen-client-urls=${store}`, `--advertise-client-urls=${unused}`];
  etcd.push("--listen-peer-urls=unix://etcd-peer.sock:1", `--initial-advertise-peer-urls=${unused}`);
  etcd.push(`--initial-cluster=test=${unused}`, "--logger=zap", "--log-level=warn");

  const api = ["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", `--secure-port=${port}`];
  api.push("--endpoint-reconciler-type=none", `--etcd-servers=${store}`, "--service-cluster-ip-range=10.0.0.0/24");
  api.push("--tls-cert-file=identities/server.crt", "--tls-private-key-file=identities/server.key");
  api.push("--token-auth-file=identities/tokens.csv", "--authorization-mode=RBAC", "--profiling=false");
  api.push("--service-account-issuer=https://kubernetes.default.svc");
  api.push("--service-account-key-file=identities/service-accounts.pub");
  api.push("--service-account-signing-key-file=identities/service-accounts.key");

  const manager = ["--kubeconfig=admin.kubeconfig", "--port=0", "--secure-port=0", "--leader-elect=false"];
  manager.push(
    `--controllers=${controllers.join(",")}`,
    "--root-ca-file=identities/authority.crt",
    "--profiling=false",
  );
  manager.push("--service-account-private-key-file=identities/service-accounts.key");
  return [
    ["etcd", etcd],
    ["kube-apiserver", api],
    ["kube-controller-manager", manager],
  ];
}

class Program {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #logPath: string;
  readonly #ended: Promise<void>;
  #problem: string | undefined;

  constructor(name: string, flags: string[], folder: string, programs: string) {
    this.name = name;
    this.#logPath = join(folder, "log", `${name}.log`);
    const log = openSync(this.#logPath, "a", 0o600);
    // etcd takes ETCD_* variables for flags.
    const environment = Object.entries(process.env).filter(([variable]) => !variable.startsWith("ETCD_"));
    // setpriv: should this process be killed outright, the programs end too.
    this.#process = spawn("setpriv", ["--pdeathsig", "TERM", join(programs, name), ...flags], {
      cwd: folder,
      env: Object.fromEntries(environment),
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#ended = new Promise((resolve) => {
      this.#process.once("error", (error) => resolve(this.#end(error.message)));
      this.#process.once("exit", (code, exitSignal) => resolve(this.#end(`ended with ${code ?? exitSignal}`)));
    });
  }

  /** @throws Error when the program has ended */
  assertRunning(): void {
    if (this.#problem === undefined) return;
    const tail = readFileSync(this.#logPath, "utf8").split("\n").slice(-12).join("\n");
    throw new Error(`${this.name} ${this.#problem}:\n${tail}`);
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    const kill = setTimeout(() => this.#process.kill("SIGKILL"), stopGraceMilliseconds);
    await this.#ended;
    clearTimeout(kill);
  }

  #end(problem: string): void {
    this.#problem = problem;
  }
}

async function untilAnswered(
  url: string,
  identities: Identities,
  programs: Program[],
  signal?: AbortSignal,
): Promise<void> {
  const end = Date.now() + startLimitMilliseconds;
  while (!(await answers(url, identities))) {
    for (const program of programs) program.assertRunning();
    if (Date.now() > end) throw new Error(`${url}: not there after ${startLimitMilliseconds / 1000} s`);
    await sleep(100, undefined, { ...(signal && { signal }) });
  }
}

function answers(url: string, { authority, adminToken }: Identities): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${adminToken}` };
    const probe = request(url, { ca: authority, headers, agent: false, timeout: 5000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    probe.once("timeout", () => probe.destroy());
    probe.once("error", () => resolve(false));
    probe.end();
  });
}

function writeKubeconfig(folder: string, user: string, url: string, authority: string, token: string): string {
  const path = join(folder, `${user}.kubeconfig`);
  const data = Buffer.from(authority).toString("base64");
  // JSON is YAML.
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": data } }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user, namespace: "default" } }],
  };
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return path;
}
