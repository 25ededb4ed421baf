import type { Duplex } from "node:stream";
import ssh2, { type Algorithms, type Client, type ClientErrorExtensions } from "ssh2";
import type { HostConnectionReason } from "./host-connection-error.ts";
import { HostConnectionError } from "./host-connection-error.ts";
import { fingerprintOf, HostKey } from "./host-key.ts";
import type { HostSettings } from "./host-settings.ts";

export interface SshTimings {
  /** Milliseconds that connecting and logging in may take together. */
  readyMilliseconds: number;
  /** Milliseconds between two signs of life; three unanswered ones end the connection. */
  keepaliveMilliseconds: number;
}

const keepaliveCountMaximum = 3;

/** What OpenSSH 8 and later all have; everything older than that is left out. */
const algorithms: Algorithms = {
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"],
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"],
  compress: ["none"],
};

/** One authenticated SSH connection to a host. */
export class SshConnection {
  /** Resolves once the connection has ended, with the reason for it. */
  readonly ended: Promise<HostConnectionError>;
  readonly #client: Client;
  readonly #settings: HostSettings;

  private constructor(client: Client, settings: HostSettings) {
    this.#client = client;
    this.#settings = settings;
    this.ended = new Promise((resolve) => {
      let problem = "the connection was closed";
      client.on("error", (error) => {
        problem = error.message;
      });
      client.once("close", () => {
        resolve(new HostConnectionError("ConnectionLost", `${describe(settings)}: connection lost: ${problem}`));
      });
    });
  }

  /**
   * Connects, checks the host's key and logs in.
   *
   * @throws {HostConnectionError} with any reason but `AgentNotListening` and `ConnectionLost`
   * @throws the signal's reason when aborted
   */
  static async open(settings: HostSettings, timings: SshTimings, signal: AbortSignal): Promise<SshConnection> {
    signal.throwIfAborted();
    const pinned = new HostKey(settings.hostKey);
    checkIdentity(settings);
    const client = new ssh2.Client();
    let offeredKey: Buffer | undefined;
    const onAbort = () => client.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        client.once("ready", resolve);
        client.once("error", reject);
        client.once("close", () => reject(new Error("the connection was closed during the handshake")));
        client.connect({
          host: settings.address,
          port: settings.port,
          username: settings.user,
          privateKey: settings.privateKey,
          authHandler: ["publickey"],
          algorithms: { ...algorithms, serverHostKey: pinned.algorithms },
          hostVerifier: (key: Buffer) => {
            offeredKey = key;
            return pinned.matches(key);
          },
          readyTimeout: timings.readyMilliseconds,
          keepaliveInterval: timings.keepaliveMilliseconds,
          keepaliveCountMax: keepaliveCountMaximum,
          // A server of another make that lacks the extension refuses the channel; ssh2 need not judge by its name.
          strictVendor: false,
        });
      });
    } catch (error) {
      client.on("error", () => {}); // whatever else the dying connection reports
      client.destroy();
      signal.throwIfAborted();
      if (offeredKey && !pinned.matches(offeredKey)) throw keyMismatch(settings, pinned, offeredKey);
      throw explain(error as Error & ClientErrorExtensions, settings, timings);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    // Without it every small request waits for the acknowledgement of the one before.
    client.setNoDelay(true);
    return new SshConnection(client, settings);
  }

  /**
   * A stream to the agent's Unix socket on the host.
   *
   * @throws {HostConnectionError} `AgentNotListening`, or `ConnectionLost` when the connection ends meanwhile
   */
  async openAgentStream(): Promise<Duplex> {
    const stream = new Promise<Duplex>((resolve, reject) => {
      this.#client.openssh_forwardOutStreamLocal(this.#settings.agentSocket, (error, channel) => {
        if (!error) return resolve(channel);
        // OpenSSH gives one answer for an absent socket, a refused one and forbidden forwarding.
        const message = `${describe(this.#settings)}: the SSH server cannot open the agent's socket ${this.#settings.agentSocket}; check that \`vacate agent\` runs there with that socket, that ${this.#settings.user} may open it, and that sshd_config allows it (AllowStreamLocalForwarding and AllowTcpForwarding)`;
        reject(new HostConnectionError("AgentNotListening", message, error));
      });
    });
    return Promise.race([stream, this.ended.then((error) => Promise.reject(error))]);
  }

  close(): void {
    this.#client.destroy();
  }
}

/** The host as messages name it. */
export function describe(settings: HostSettings): string {
  const address = settings.address.includes(":") ? `[${settings.address}]` : settings.address;
  return `${settings.user}@${address}:${settings.port}`;
}

function checkIdentity(settings: HostSettings): void {
  const parsed = ssh2.utils.parseKey(settings.privateKey);
  const keys = Array.isArray(parsed) ? parsed : [parsed];
  if (keys.every((key) => !(key instanceof Error) && key.isPrivateKey())) return;
  throw new HostConnectionError(
    "InvalidIdentity",
    `${describe(settings)}: the identity is not a usable private key; it must be one in OpenSSH or PEM form without a passphrase`,
  );
}

function keyMismatch(settings: HostSettings, pinned: HostKey, offered: Buffer): HostConnectionError {
  return new HostConnectionError(
    "HostKeyMismatch",
    `${describe(settings)} shows the host key ${fingerprintOf(offered)}, but hostKey pins ${pinned.fingerprint}; if the host's key was really changed, set hostKey to the new one, else somebody may be in between`,
  );
}

function explain(
  error: Error & ClientErrorExtensions & { code?: string },
  settings: HostSettings,
  timings: SshTimings,
): HostConnectionError {
  const where = describe(settings);
  const make = (reason: HostConnectionReason, text: string) =>
    new HostConnectionError(reason, `${where}: ${text}`, error);
  if (error.level === "client-authentication") {
    return make(
      "IdentityRejected",
      `the host does not accept the identity for user ${settings.user}; its public key must be in that user's authorized_keys`,
    );
  }
  if (error.level === "client-timeout" || error.code === "ETIMEDOUT") {
    return make(
      "Timeout",
      `no SSH session within ${timings.readyMilliseconds / 1000} s; is the host up and the port right?`,
    );
  }
  switch (error.code) {
    case "ECONNREFUSED":
      return make("ConnectionRefused", `nothing listens on port ${settings.port}; is sshd running there?`);
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EHOSTDOWN":
    case "EADDRNOTAVAIL":
    case "EINVAL":
      return make("AddressUnreachable", `no route to ${settings.address} (${error.code})`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_FAIL":
      return make("AddressUnreachable", `the name ${settings.address} does not resolve (${error.code})`);
    default:
      return make("HandshakeFailed", `${error.message}; an OpenSSH server of version 8 or later is needed`);
  }
}
