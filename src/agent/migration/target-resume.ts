import type { AgentContext } from "../context.ts";
import { noteExit } from "../guests/guest-exit.ts";
import { freed, requireGuest, saveGuest } from "../guests/guest-records.ts";
import type { AgentError } from "../protocol/client.ts";
import { asAgentError, refusal } from "../refusal.ts";
import { retry } from "../retry.ts";
import { because, requireMigration, saveMigration, wrongStep } from "./migration-records.ts";

/**
 * Step 5: the guest runs here under epoch + 1. Called with the guest's lock held. Repeated, it does nothing, or goes on where
 * it failed.
 *
 * @throws {AgentError} `StateLost` or `LoadFailed` when nothing ran and it can still be surrendered; `ResumeFailed` or
 *   `GuestCrashed` when `running` is in the journal
 */
export async function resumeTarget(context: AgentContext, migrationId: string): Promise<void> {
  const migration = requireMigration(context, migrationId, "Target");
  if (migration.step === "Running") {
    if (!migration.settled || migration.reason === "ResumeFailed") await finishResume(context, migrationId);
    return;
  }
  if (migration.step !== "Loaded") throw wrongStep(migration, "resume the target");
  if (migration.reason === "StateLost") throw refusal("StateLost", `migration ${migrationId}: ${migration.message}`);
  await ensureLoaded(context, migration.uid);
  context.journal.transaction(() => {
    const current = requireMigration(context, migrationId, "Target");
    if (current.step !== "Loaded") throw wrongStep(current, "resume the target");
    const { reason: _reason, message: _message, ...rest } = current;
    saveMigration(context, { ...rest, step: "Running", settled: false });
    const guest = requireGuest(context, current.uid);
    saveGuest(context, { ...guest, state: "Running", epoch: current.epoch + 1 });
  });
  await finishResume(context, migrationId);
}

/**
 * Carries out a step 5 that is in the journal. A process that is gone may have run: its old memory is not used again (R10).
 * One that is there and does not go on is kept, to be resumed by another order.
 */
export async function finishResume(context: AgentContext, migrationId: string): Promise<void> {
  const { driver, ending } = context;
  const { uid } = requireMigration(context, migrationId, "Target");
  const { handle } = requireGuest(context, uid);
  try {
    const isGone = async () => (await driver.processState(handle)) === "Absent";
    if (await isGone())
      return end(context, migrationId, refusal("GuestCrashed", "its process died while it was resumed"));
    await retry(context, () => driver.resume(handle, ending));
  } catch (error) {
    if (context.stopping.aborted) throw error; // the next start goes on
    const failure = asAgentError(error, "ResumeFailed");
    const state = await driver.processState(handle);
    if (state === "Absent") return end(context, migrationId, failure);
    if (state !== "Running") {
      keepPaused(context, migrationId, failure);
      throw failure;
    }
  }
  end(context, migrationId);
  noteExit(context, handle, "Died"); // it may have died just before it was free
}

/** A process that died while it waited with the state loaded never ran: the pair is unused and may be loaded again. */
async function ensureLoaded(context: AgentContext, uid: string): Promise<void> {
  const { driver, ending } = context;
  const { handle } = requireGuest(context, uid);
  if ((await driver.processState(handle)) === "Paused") return;
  await driver.load(handle, ending);
}

function end(context: AgentContext, migrationId: string, failure?: AgentError): void {
  context.journal.transaction(() => {
    const { reason: _reason, message: _message, ...rest } = requireMigration(context, migrationId, "Target");
    const guest = freed(requireGuest(context, rest.uid));
    saveMigration(context, { ...rest, settled: true, ...(failure ? because(failure) : {}) });
    if (failure) saveGuest(context, { ...guest, state: "Crashed", ...because(failure) });
    else saveGuest(context, { ...guest, state: "Running" });
  });
  if (failure) throw failure;
}

function keepPaused(context: AgentContext, migrationId: string, failure: AgentError): void {
  const why = { reason: "ResumeFailed", message: failure.message };
  context.journal.transaction(() => {
    const migration = requireMigration(context, migrationId, "Target");
    saveMigration(context, { ...migration, settled: true, ...why });
    saveGuest(context, { ...requireGuest(context, migration.uid), state: "Suspended", ...why });
  });
}
