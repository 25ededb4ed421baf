import type { AgentClient } from "../../agent/protocol/client.ts";
import type { Reservation } from "../../api/resources.ts";
import type { Inventory } from "./view.ts";

/** The agents, as far as this controller needs them. */
export interface AgentDirectory {
  /** Undefined while the host is not connected. */
  agent(hostName: string): Pick<AgentClient, "host" | "guests"> | undefined;
}

/** An agent that takes longer counts as silent. */
const answerMilliseconds = 10_000;

/** Asks the agents of these hosts what they hold now, all at once. Never rejects but for the signal. */
export async function readInventories(
  agents: AgentDirectory,
  reservation: Reservation,
  hostNames: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Inventory>> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(answerMilliseconds)]);
  const inventories = await Promise.all(
    hostNames.map(async (name) => [name, await readInventory(agents, reservation, name, limited)] as const),
  );
  signal.throwIfAborted();
  return new Map(inventories);
}

async function readInventory(
  agents: AgentDirectory,
  reservation: Reservation,
  hostName: string,
  signal: AbortSignal,
): Promise<Inventory> {
  const agent = agents.agent(hostName);
  if (!agent) return { unavailable: "its agent is not connected" };
  try {
    // The hold first: once it stands, nobody comes in between the two answers.
    const { holds } = await agent.host(signal);
    const guests = await agent.guests(signal);
    return { isHoldConfirmed: holds.some((hold) => hold.reservationUid === reservation.metadata.uid), guests };
  } catch (error) {
    return { unavailable: error instanceof Error ? error.message : String(error) };
  }
}
