import type { AgentContext } from "../context.ts";
import type { ProcessState } from "../drivers/driver.ts";
import type { GuestRecord } from "../journal/records.ts";
import { freed, saveGuest, withoutReason } from "./guest-records.ts";

/**
 * Brings the journal in line with what outlived the agent. Starts nothing (R4). Guests that a migration owns are left to it,
 * but for those whose discard was under way.
 */
export async function takeUpGuests(context: AgentContext, processes: Map<string, ProcessState>): Promise<void> {
  for (const guest of context.journal.guests()) {
    const tombstone = context.journal.tombstone(guest.uid);
    if (guest.migrationId !== undefined) continue;
    const isDiscarded = tombstone !== undefined && tombstone >= guest.epoch;
    try {
      if (isDiscarded) await finishDiscard(context, guest);
      else await takeUpGuest(context, guest, processes.get(guest.handle) ?? "Absent");
    } catch (error) {
      context.logger.error({ err: error, uid: guest.uid }, "guest not taken up");
    }
  }
}

async function takeUpGuest(context: AgentContext, guest: GuestRecord, process: ProcessState): Promise<void> {
  const rebooted = guest.bootId !== context.bootId;
  if (guest.state === "Starting") return takeUpStarting(context, guest, process);
  if (guest.state !== "Running") return;
  if (process === "Running" || process === "Paused") {
    if (guest.stopping) saveGuest(context, withoutReason(guest));
    return;
  }
  if (guest.stopping) saveGuest(context, { ...withoutReason(guest), state: "Stopped" });
  else if (rebooted) saveGuest(context, { ...withoutReason(guest), state: "Lost", ...hostRebooted });
  else saveGuest(context, { ...withoutReason(guest), state: "Crashed", ...diedUnseen });
}

/** A boot that was interrupted is not finished unasked; what does not run its CPUs yet is ended. */
async function takeUpStarting(context: AgentContext, guest: GuestRecord, process: ProcessState): Promise<void> {
  if (process === "Running") {
    saveGuest(context, { ...withoutReason(guest), state: "Running" });
    return;
  }
  await context.driver.powerOff(guest.handle, 0, context.ending);
  saveGuest(context, { ...freed(guest), state: "Stopped", ...interrupted });
}

async function finishDiscard(context: AgentContext, guest: GuestRecord): Promise<void> {
  await context.driver.discard(guest.handle, context.ending);
  context.journal.removeGuest(guest.uid);
}

const hostRebooted = { reason: "StateLost", message: "it was running when its host's boot ended" };
const diedUnseen = { reason: "GuestCrashed", message: "its process was gone when the agent came back" };
const interrupted = { reason: "AgentRestarted", message: "the agent ended while the guest was being started" };
