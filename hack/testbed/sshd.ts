import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { ensureUnpacked } from "../setup/unpacked.mjs";
import { freePort } from "./free-port.ts";
import { sshKeyPair } from "./ssh-key-pair.ts";

export interface SshdOptions {
  /** Holds keys, configuration and log; made when absent. The same folder again means the same keys. */
  folder: string;
  /** TCP port on 127.0.0.1; absent means a free one. */
  port?: number;
  signal?: AbortSignal;
}

/** A real OpenSSH server on loopback that lets one key in, for forwarded streams only. */
export interface Sshd {
  readonly address: string;
  readonly port: number;
  /** The user to log in as: the one this process runs as. */
  readonly user: string;
  /** The host's public key, as in a VMHost. */
  readonly hostKey: string;
  readonly privateKeyPath: string;
  readonly privateKey: string;
  readonly pid: number;
  /** Ends the server and all its sessions, by SIGKILL: their peers see the connection break. */
  stop(): Promise<void>;
}

const address = "127.0.0.1";

/**
 * Starts sshd: the system's where it is installed, else the unpacked one.
 *
 * Changes nothing of the system, with one exception: run by root, sshd insists on an empty folder /run/sshd, which is
 * made when absent (Debian's service makes the same one; /run is empty again after a reboot). The other thing it wants
 * then, a user named sshd, it is only made to see, by libnss-wrapper.
 *
 * @throws Error with what sshd said when it does not start
 */
export async function startSshd({ folder, port: wantedPort, signal }: SshdOptions): Promise<Sshd> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const user = userInfo().username;
  const host = keyPair(folder, "host_key");
  const client = keyPair(folder, "client_key");
  const port = wantedPort ?? (await freePort());
  const configuration = join(folder, "sshd_config");
  writeFileSync(configuration, configurationText(folder, port, user));

  const { path, environment } = await program(folder, user);
  signal?.throwIfAborted();
  // setpriv: should this process be killed outright, sshd ends too.
  const child = spawn("setpriv", ["--pdeathsig", "TERM", path, "-D", "-e", "-f", configuration], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "ignore", "pipe"],
    // Ctrl-C in a terminal must reach the testbed alone, which then stops its children in order.
    detached: true,
  });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const stop = () => killWithSessions(child, exited);
  try {
    await listening(child, exited, join(folder, "sshd.log"), signal);
  } catch (error) {
    await stop();
    throw error;
  }
  const privateKeyPath = client.privatePath;
  const privateKey = readFileSync(privateKeyPath, "utf8");
  return { address, port, user, hostKey: host.publicKey, privateKeyPath, privateKey, pid: child.pid as number, stop };
}

function configurationText(folder: string, port: number, user: string): string {
  const lines = [
    `Port ${port}`,
    `ListenAddress ${address}`,
    `HostKey ${join(folder, "host_key")}`,
    `AuthorizedKeysFile ${join(folder, "client_key.pub")}`,
    "PidFile none",
    "StrictModes no", // the temporary folder's parents are writable by all
    "UsePAM no",
    "AuthenticationMethods publickey",
    `AllowUsers ${user}`,
    // A forwarded stream is no session; nobody needs a shell or a terminal here.
    "MaxSessions 0",
    "DisableForwarding no",
    "AllowStreamLocalForwarding local",
    // OpenSSH lets no stream through to a socket either when TCP may not be forwarded.
    "AllowTcpForwarding local",
    "AllowAgentForwarding no",
    "X11Forwarding no",
    "PermitTTY no",
    "PermitUserRC no",
  ];
  return `${lines.join("\n")}\n`;
}

function keyPair(folder: string, name: string): { privatePath: string; publicKey: string } {
  const privatePath = join(folder, name);
  const publicPath = `${privatePath}.pub`;
  if (!existsSync(publicPath)) {
    const keys = sshKeyPair();
    writeFileSync(privatePath, keys.privateKey, { mode: 0o600 });
    writeFileSync(publicPath, `${keys.publicKey}\n`, { mode: 0o600 });
  }
  return { privatePath, publicKey: readFileSync(publicPath, "utf8").trim() };
}

async function program(folder: string, user: string): Promise<{ path: string; environment: NodeJS.ProcessEnv }> {
  const installed = "/usr/sbin/sshd";
  const environment: NodeJS.ProcessEnv = {};
  let path = installed;
  if (!existsSync(installed)) {
    const root = await ensureUnpacked("openssh-server");
    path = join(root, installed);
    environment.LD_LIBRARY_PATH = libraryFolders(root).join(":");
  }
  if (process.getuid?.() === 0) {
    mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    Object.assign(environment, await usersSeenBySshd(folder, user));
  }
  return { path, environment };
}

/**
 * Run by root, sshd will not start without a user to drop its privileges to, and lets nobody in whose account is locked,
 * as root's is on many machines. Instead of changing the system's users it is shown two files of our own.
 */
async function usersSeenBySshd(folder: string, user: string): Promise<NodeJS.ProcessEnv> {
  const root = await ensureUnpacked("libnss-wrapper");
  const library = libraryFolders(root)
    .map((each) => join(each, "libnss_wrapper.so"))
    .find((each) => existsSync(each));
  if (!library) throw new Error(`libnss_wrapper.so is not in ${root}`);
  const { uid, gid, homedir } = userInfo();
  const path = (name: string) => join(folder, name);
  const login = `${user}:x:${uid}:${gid}::${homedir}:/bin/sh\n`;
  writeFileSync(path("passwd"), `${login}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n`);
  writeFileSync(path("group"), `${user}:x:${gid}:\nnogroup:x:65534:\n`);
  writeFileSync(path("shadow"), `${user}:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n`);
  return {
    LD_PRELOAD: library,
    NSS_WRAPPER_PASSWD: path("passwd"),
    NSS_WRAPPER_GROUP: path("group"),
    NSS_WRAPPER_SHADOW: path("shadow"),
  };
}

/** Folders such as <root>/usr/lib/x86_64-linux-gnu. */
function libraryFolders(root: string): string[] {
  return ["usr/lib", "lib"]
    .map((each) => join(root, each))
    .filter((each) => existsSync(each))
    .flatMap((each) =>
      readdirSync(each)
        .filter((name) => name.endsWith("-linux-gnu"))
        .map((name) => join(each, name)),
    );
}

/** Resolves when sshd says that it listens; from then on writes what it says to the log. */
function listening(
  child: ChildProcess,
  exited: Promise<void>,
  logPath: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  writeFileSync(logPath, "", { flag: "a", mode: 0o600 });
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    createInterface({ input: child.stderr as Readable }).on("line", (line) => {
      writeFileSync(logPath, `${line}\n`, { flag: "a", mode: 0o600 });
      if (line.startsWith("Server listening on")) resolve();
    });
    child.once("error", reject);
    void exited.then(() => {
      signal?.removeEventListener("abort", onAbort);
      reject(new Error(`sshd did not start:\n${readFileSync(logPath, "utf8").split("\n").slice(-8).join("\n")}`));
    });
  });
}

async function killWithSessions(child: ChildProcess, exited: Promise<void>): Promise<void> {
  const sessions = child.pid === undefined ? [] : descendants(child.pid);
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  for (const pid of sessions) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Ended by itself.
    }
  }
  await exited;
}

function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .trim()
      .split(" ")
      .filter(Boolean)
      .map(Number);
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return []; // already gone
  }
}
