/** How to reach one host's agent. */
export interface HostSettings {
  /** IP address or DNS name of the SSH server. */
  address: string;
  /** TCP port of the SSH server. */
  port: number;
  user: string;
  /** The host's public key as in its ssh_host_*_key.pub; no other is accepted. */
  hostKey: string;
  /** The private key to log in with, in OpenSSH or PEM form, without a passphrase. Secret. */
  privateKey: string;
  /** Path of the agent's Unix socket on the host. */
  agentSocket: string;
}

export function haveSameSettings(one: HostSettings, other: HostSettings): boolean {
  return (
    one.address === other.address &&
    one.port === other.port &&
    one.user === other.user &&
    one.hostKey === other.hostKey &&
    one.privateKey === other.privateKey &&
    one.agentSocket === other.agentSocket
  );
}
