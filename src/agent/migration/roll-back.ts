import type { AgentContext } from "../context.ts";
import { DriverError } from "../drivers/driver.ts";
import { noteExit } from "../guests/guest-exit.ts";
import { freed, requireGuest, saveGuest } from "../guests/guest-records.ts";
import type { GuestRecord } from "../journal/records.ts";
import type { AgentError } from "../protocol/client.ts";
import { asAgentError } from "../refusal.ts";
import { retry } from "../retry.ts";
import { because, requireMigration, saveMigration } from "./migration-records.ts";

/**
 * Takes a source back to running its guest, if it has not handed over. The decision is durable before the guest runs:
 * from then on nothing can hand over, and after a reboot nobody goes forward with memory that the guest has left behind.
 */
export async function rollBack(context: AgentContext, migrationId: string, cause: AgentError): Promise<void> {
  const mayRollBack = await retry(context, async () => decide(context, migrationId, cause));
  if (mayRollBack) await finishRollBack(context, migrationId);
}

/** False when the point of no return was passed, or there is nothing left to do. */
function decide(context: AgentContext, migrationId: string, cause: AgentError): boolean {
  return context.journal.transaction(() => {
    const migration = requireMigration(context, migrationId, "Source");
    const guest = requireGuest(context, migration.uid);
    if (migration.step === "RolledBack") return !migration.settled;
    if (migration.step === "Prepared") {
      saveMigration(context, { ...migration, step: "RolledBack", settled: true, ...because(cause) });
      context.journal.putGuest(withoutMigration(guest));
      return false;
    }
    if (migration.step !== "Suspending" && migration.step !== "Copying") return false;
    saveMigration(context, { ...migration, step: "RolledBack", settled: false, ...because(cause) });
    return true;
  });
}

/** Carries out a decision to roll back, or to reclaim, that is in the journal. */
export async function finishRollBack(context: AgentContext, migrationId: string): Promise<void> {
  const { uid } = requireMigration(context, migrationId, "Source");
  const outcome = await runAgain(context, requireGuest(context, uid));
  await retry(context, async () => {
    context.journal.transaction(() => {
      saveMigration(context, { ...requireMigration(context, migrationId, "Source"), settled: true });
      saveGuest(context, { ...freed(requireGuest(context, uid)), ...outcome });
    });
  });
  noteExit(context, requireGuest(context, uid).handle, "Died"); // it may have died unseen just before it was `Running`
}

async function runAgain(
  context: AgentContext,
  guest: GuestRecord,
): Promise<Pick<GuestRecord, "state" | "reason" | "message">> {
  const { driver, ending } = context;
  if (guest.state === "Lost" || guest.bootId !== context.bootId) return { state: "Lost", ...memoryGone };
  try {
    await retry(context, () => driver.unsuspend(guest.handle, ending), isGuestCrashed);
    return { state: "Running" };
  } catch (error) {
    // Its memory is still good: the decision is in the journal, another order or the next start carries it out.
    if (!isGuestCrashed(error)) throw error;
    context.logger.error({ err: error, uid: guest.uid }, "suspended guest does not run again");
    await driver.powerOff(guest.handle, 0, ending);
    return { state: "Crashed", ...because(asAgentError(error, "GuestCrashed")) };
  }
}

function isGuestCrashed(error: unknown): boolean {
  return error instanceof DriverError && error.reason === "GuestCrashed";
}

/** It was not touched: whatever is known of it stays. */
function withoutMigration(guest: GuestRecord): GuestRecord {
  const { migrationId: _migrationId, ...rest } = guest;
  return rest;
}

export const memoryGone = { reason: "StateLost", message: "its memory went with its host's boot" };
