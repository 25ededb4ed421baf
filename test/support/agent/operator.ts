import type { AgentClient } from "../../../src/agent/protocol/client.ts";
import type { GuestReport, MigrationReport } from "../../../src/agent/protocol/types.ts";

export const uid = "vm-1";
export const migrationId = "migration-1";
export const term = 1;

/** The grant of the guest with which the tests begin. */
export const startOrder = {
  ...{ term, uid, namespace: "lab", name: "one", epoch: 1 },
  cpus: 1,
  memoryBytes: 2 ** 30,
  image: "tiny",
};

export interface MoveOptions {
  id?: string;
  epoch?: number;
  leaseSeconds?: number;
}

/** Both prepares and the begin, as the operator orders them. */
export async function orderMove(source: AgentClient, target: AgentClient, options: MoveOptions = {}): Promise<void> {
  const { id = migrationId, epoch = 1, leaseSeconds = 60 } = options;
  const { configuration, fingerprint, stateBytes } = await source.prepareSource({ term, migrationId: id, uid, epoch });
  const prepared = await target.prepareTarget({
    ...{ term, migrationId: id, epoch, configuration, stateBytes },
    sourceFingerprint: fingerprint,
  });
  await source.beginMigration({
    ...{ term, migrationId: id, uid, epoch, leaseSeconds },
    target: { address: "127.0.0.1", ...prepared },
  });
}

/**
 * One look at both agents and the one order that follows from it, as a controller does. True when nothing is left to do.
 * The order of the cases is that of docs/migration-protocol.md.
 */
export async function repair(source: AgentClient, target: AgentClient, id = migrationId): Promise<boolean> {
  const [at, to] = await Promise.all([source.migration(id), target.migration(id)]);
  const order = { term, migrationId: id };
  if (at && !at.settled && at.step !== "Prepared") return false;
  if (at === undefined || at.step === "Prepared") return abortBoth(source, target, at, to);
  if (at.step === "RolledBack" || at.step === "Released") {
    if (to && needsDiscard(to, at)) await target.discardTarget(order);
    return to === undefined || to.settled;
  }
  if (to?.step === "Running") {
    if (to.settled) await source.releaseSource(order);
    else await target.resumeTarget(order);
    return false;
  }
  if (to?.step === "Loaded" && to.reason !== "StateLost") await target.resumeTarget(order);
  else if (at.step === "Copying") await abortBoth(source, target, at, to);
  else if (to?.step === "Surrendered") await source.reclaimSource({ ...order, epoch: at.epoch + 2 });
  else await target.surrenderTarget(order);
  return false;
}

/** All guests that an agent says it holds, by uid. */
export async function statesAt(agent: AgentClient): Promise<Record<string, GuestReport["state"]>> {
  const guests = await agent.guests();
  return Object.fromEntries(guests.map((guest) => [guest.uid, guest.state]));
}

function needsDiscard(to: MigrationReport, at: MigrationReport): boolean {
  return at.step === "RolledBack" && (to.step === "Prepared" || to.step === "Copying" || to.step === "Loaded");
}

async function abortBoth(
  source: AgentClient,
  target: AgentClient,
  at: MigrationReport | undefined,
  to: MigrationReport | undefined,
): Promise<boolean> {
  if (at && at.step !== "RolledBack") await source.abortMigration({ term, migrationId: at.id });
  if (to && to.step !== "RolledBack") await target.discardTarget({ term, migrationId: to.id });
  return at === undefined && to === undefined;
}
