import { generateKeyPairSync } from "node:crypto";
import ssh2 from "ssh2";

export interface SshKeyPair {
  /** As in a .pub file. */
  publicKey: string;
  /** PEM. */
  privateKey: string;
}

/**
 * A new key pair. ECDSA, because OpenSSH of Debian 12 reads what Node writes of those and not of Ed25519, and ssh2's own
 * generator makes Ed25519 keys that OpenSSH now and then refuses ("error in libcrypto").
 */
export function sshKeyPair(): SshKeyPair {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "prime256v1",
    privateKeyEncoding: { type: "sec1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  return { publicKey: `${parsed.type} ${parsed.getPublicSSH().toString("base64")}`, privateKey };
}
