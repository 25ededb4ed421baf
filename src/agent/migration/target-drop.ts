import type { AgentContext } from "../context.ts";
import type { AgentError } from "../protocol/client.ts";
import { retry } from "../retry.ts";
import { because, requireMigration, saveMigration, wrongStep } from "./migration-records.ts";

/**
 * Gives up what arrived. The decision is durable before a file is touched: nothing can resume it from then on.
 *
 * @param step `RolledBack`, or `Surrendered`, which buries epoch + 1 here for good (R6)
 * @throws {AgentError} `WrongState` once `running` was journalled
 */
export async function dropTarget(
  context: AgentContext,
  migrationId: string,
  step: "RolledBack" | "Surrendered",
  cause: AgentError,
): Promise<void> {
  await retry(context, async () => decide(context, migrationId, step, cause));
  await finishDrop(context, migrationId);
}

function decide(
  context: AgentContext,
  migrationId: string,
  step: "RolledBack" | "Surrendered",
  cause: AgentError,
): void {
  const { journal } = context;
  journal.transaction(() => {
    const migration = requireMigration(context, migrationId, "Target");
    if (migration.step === "Running") throw wrongStep(migration, "drop the target");
    if (migration.step === step || migration.step === "Surrendered") return;
    if (step === "Surrendered") journal.raiseTombstone(migration.uid, migration.epoch + 1);
    saveMigration(context, { ...migration, step, settled: false, ...because(cause) });
  });
}

/** Carries out a decision to drop that is in the journal. */
export async function finishDrop(context: AgentContext, migrationId: string): Promise<void> {
  const { driver, ending, events, journal } = context;
  const migration = requireMigration(context, migrationId, "Target");
  if (migration.settled) return;
  const guest = journal.guest(migration.uid);
  if (guest?.migrationId === migrationId) await retry(context, () => driver.discard(guest.handle, ending));
  journal.transaction(() => {
    if (guest?.migrationId === migrationId) journal.removeGuest(migration.uid);
    saveMigration(context, { ...requireMigration(context, migrationId, "Target"), settled: true });
  });
  events.emit({ type: "GuestChanged", uid: migration.uid });
}
