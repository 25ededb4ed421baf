import type { HostAgents } from "../hosts/host-agents.ts";

/** The connections to all hosts' agents, as far as controllers use them. */
export type Hosts = Pick<HostAgents, "ensure" | "remove" | "agent" | "connection" | "onEvent" | "onConnectionChange">;
