/** Why a host's agent cannot be reached; shown in a VMHost's conditions. */
export type HostConnectionReason =
  /** The address does not resolve, or no route leads there. */
  | "AddressUnreachable"
  /** The machine is there, but nothing listens on the SSH port. */
  | "ConnectionRefused"
  /** The host shows another key than the pinned one. */
  | "HostKeyMismatch"
  /** The pinned host key is not a public key. Only other settings help. */
  | "InvalidHostKey"
  /** The identity is not a private key, or one with a passphrase. Only other settings help. */
  | "InvalidIdentity"
  /** The host does not let this identity in as this user. */
  | "IdentityRejected"
  /** The peer is no SSH server, or shares no algorithm with us. */
  | "HandshakeFailed"
  /** The SSH server cannot reach, or may not reach, the agent's socket. */
  | "AgentNotListening"
  /** No answer in time. */
  | "Timeout"
  /** There was a connection and it broke. */
  | "ConnectionLost"
  /** The host was removed, or all connections were closed, on this side. */
  | "Closed";

/** A host's agent cannot be reached; the message says where it was looked for and what would be right. */
export class HostConnectionError extends Error {
  override readonly name = "HostConnectionError";
  readonly reason: HostConnectionReason;

  constructor(reason: HostConnectionReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

/** Whether trying again with the same settings can help. */
export function isWorthRetrying(reason: HostConnectionReason): boolean {
  return reason !== "InvalidHostKey" && reason !== "InvalidIdentity" && reason !== "Closed";
}
