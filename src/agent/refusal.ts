import { DriverError } from "./drivers/driver.ts";
import { AgentError } from "./protocol/client.ts";
import type { AgentReason } from "./protocol/types.ts";

const badRequest: AgentReason[] = ["InvalidRequest"];
const notFound: AgentReason[] = ["NotFound"];
const failures: AgentReason[] = [
  "SuspendFailed",
  "CopyFailed",
  "LoadFailed",
  "ResumeFailed",
  "StartFailed",
  "GuestCrashed",
  "AgentRestarted",
  "Internal",
];

/** An agent's refusal with the HTTP status that belongs to its reason: 400, 404, 500 for what went wrong here, else 409. */
export function refusal(reason: AgentReason, message: string): AgentError {
  return new AgentError(reason, message, statusOf(reason));
}

/** What any error is called towards the operator. */
export function asAgentError(error: unknown, otherwise: AgentReason = "Internal"): AgentError {
  if (error instanceof AgentError) return error;
  if (error instanceof DriverError) return new AgentError(error.reason, error.message, statusOf(error.reason));
  return refusal(otherwise, error instanceof Error ? error.message : String(error));
}

function statusOf(reason: string): number {
  const among = (reasons: AgentReason[]) => (reasons as string[]).includes(reason);
  if (among(badRequest)) return 400;
  if (among(notFound)) return 404;
  return among(failures) ? 500 : 409;
}
