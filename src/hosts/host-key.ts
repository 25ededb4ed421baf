import { createHash, timingSafeEqual } from "node:crypto";
import ssh2, { type ServerHostKeyAlgorithm } from "ssh2";
import { HostConnectionError } from "./host-connection-error.ts";

/** A host's pinned public key. */
export class HostKey {
  /** The key as it travels in the SSH handshake. */
  readonly #raw: Buffer;
  readonly #type: string;

  /**
   * @param line a public key as in ssh_host_ed25519_key.pub: type, base64, and perhaps a comment
   * @throws {HostConnectionError} `InvalidHostKey`
   */
  constructor(line: string) {
    const parsed = ssh2.utils.parseKey(line.trim());
    if (parsed instanceof Error || parsed.isPrivateKey()) {
      const example = "the line of the host's /etc/ssh/ssh_host_ed25519_key.pub";
      throw new HostConnectionError("InvalidHostKey", `hostKey is not an SSH public key; it must be ${example}`);
    }
    this.#raw = parsed.getPublicSSH();
    this.#type = parsed.type;
  }

  get fingerprint(): string {
    return fingerprintOf(this.#raw);
  }

  matches(offered: Buffer): boolean {
    return offered.length === this.#raw.length && timingSafeEqual(offered, this.#raw);
  }

  /**
   * The algorithms to ask the host for. Those of the pinned key come first, since a host has a key of each type and shows
   * the one asked for; the others follow so that a host without that type can be told by the key it does have.
   */
  get algorithms(): ServerHostKeyAlgorithm[] {
    const rsa: ServerHostKeyAlgorithm[] = ["rsa-sha2-512", "rsa-sha2-256"];
    const own = this.#type === "ssh-rsa" ? rsa : [this.#type as ServerHostKeyAlgorithm];
    const others: ServerHostKeyAlgorithm[] = [
      "ssh-ed25519",
      "ecdsa-sha2-nistp256",
      "ecdsa-sha2-nistp384",
      "ecdsa-sha2-nistp521",
      ...rsa,
    ];
    return [...new Set([...own, ...others])];
  }
}

/** The fingerprint of a raw public key as `ssh-keygen -l` prints it. */
export function fingerprintOf(rawKey: Buffer): string {
  return `SHA256:${createHash("sha256").update(rawKey).digest("base64").replace(/=+$/, "")}`;
}
