import type { HostReport } from "../../agent/protocol/types.ts";
import { vmHostReasons as reasons } from "../../api/conditions.ts";
import type { VMHost } from "../../api/resources.ts";
import type { HostConnection } from "../../hosts/host-agents.ts";

export interface Readiness {
  status: "True" | "False";
  reason: keyof typeof reasons;
  message: string;
}

/** Why an agent that cannot be reached cannot. */
export function unreachable(host: VMHost, connection: HostConnection | undefined): Readiness {
  const { address, sshPort = 22 } = host.spec;
  const where = `${host.metadata.name} (${address} port ${sshPort})`;
  if (connection?.state !== "Failed") {
    return { status: "False", reason: reasons.Connecting, message: `connecting to ${where}` };
  }
  return {
    status: "False",
    reason: connectionReason(connection.reason),
    message: `${where}: ${connection.message ?? ""}`,
  };
}

function connectionReason(reason: HostConnection["reason"]): Readiness["reason"] {
  switch (reason) {
    case "AddressUnreachable":
    case "ConnectionRefused":
    case "HostKeyMismatch":
    case "IdentityRejected":
    case "AgentNotListening":
    case "Timeout":
    case "ConnectionLost":
      return reason;
    case "InvalidHostKey":
      return reasons.InvalidSpec;
    case "InvalidIdentity":
      return reasons.IdentityRejected;
    case "HandshakeFailed":
      return reasons.ConnectionRefused;
    case "AgentRefused":
      return reasons.AgentError;
    default:
      return reasons.Connecting;
  }
}

/**
 * Whether an agent that answers may be used.
 * @param others all other VMHosts, for agents with the same identity
 */
export function readinessOf(host: VMHost, report: HostReport, others: readonly VMHost[]): Readiness {
  const { name } = host.metadata;
  const { spec, status } = host;
  const no = (reason: Readiness["reason"], message: string): Readiness => ({ status: "False", reason, message });
  const recorded = status?.agent?.uuid;
  if (recorded !== undefined && recorded !== report.agentUuid) {
    const message =
      `the agent on ${name} has identity ${report.agentUuid}, recorded is ${recorded}: its journal is another one. ` +
      "Restore the journal, or delete the VMHost and create it again";
    return no(reasons.IdentityChanged, message);
  }
  const twin = others.find((other) => other.status?.agent?.uuid === report.agentUuid);
  if (twin) {
    const message =
      `the agents of ${name} and ${twin.metadata.name} have the same identity ${report.agentUuid}: delete one of the ` +
      "VMHosts if they are one machine, or give one agent a journal of its own";
    return no(reasons.DuplicateAgent, message);
  }
  const driver = spec.driver ?? "QEMU";
  if (driver !== report.driver) {
    return no(reasons.DriverMismatch, `spec.driver is ${driver}, but the agent on ${name} drives ${report.driver}`);
  }
  if (spec.stateLanding !== undefined && spec.stateLanding !== report.stateLanding) {
    const message = `spec.stateLanding is ${spec.stateLanding}, but state lands in ${report.stateLanding} on ${name}`;
    return no(reasons.StateLandingMismatch, message);
  }
  if (spec.outOfService?.bootID === report.bootId) {
    const message = `${name} was declared out of service for its boot ${report.bootId}, but answers; remove spec.outOfService`;
    return no(reasons.OutOfService, message);
  }
  return { status: "True", reason: reasons.AgentAnswers, message: `the agent on ${name} answers` };
}
