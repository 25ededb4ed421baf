import type { AgentContext } from "../context.ts";
import type { MigrationRecord } from "../journal/records.ts";
import type { MigrationReport } from "../protocol/types.ts";
import { asAgentError } from "../refusal.ts";
import { retry } from "../retry.ts";
import { because, requireMigration, saveMigration } from "./migration-records.ts";

/**
 * Step 6: process gone, files gone, a tombstone stays. The tombstone comes first. What cannot be removed leaves the
 * migration settled in `Running` with the reason, to be released again.
 */
export async function release(
  context: AgentContext,
  migrationId: string,
  measured: MigrationReport["measured"] = {},
): Promise<void> {
  const { driver, ending, events, journal } = context;
  const migration = requireMigration(context, migrationId, "Source");
  const guest = journal.guest(migration.uid);
  journal.transaction(() => {
    journal.raiseTombstone(migration.uid, migration.epoch);
    const known = { ...withoutReason(migration), measured: { ...migration.measured, ...measured } };
    saveMigration(context, { ...known, step: "Running", settled: false });
  });
  try {
    if (guest) await retry(context, () => driver.discard(guest.handle, ending));
  } catch (error) {
    if (context.stopping.aborted) throw error; // the next start goes on
    const stuck = because(asAgentError(error));
    saveMigration(context, { ...requireMigration(context, migrationId, "Source"), settled: true, ...stuck });
    throw error;
  }
  journal.transaction(() => {
    journal.removeGuest(migration.uid);
    saveMigration(context, { ...requireMigration(context, migrationId, "Source"), step: "Released", settled: true });
  });
  events.emit({ type: "GuestChanged", uid: migration.uid });
}

function withoutReason(migration: MigrationRecord): MigrationRecord {
  const { reason: _reason, message: _message, ...rest } = migration;
  return rest;
}
