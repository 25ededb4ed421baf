import type { AgentContext } from "../context.ts";
import type { GuestRecord } from "../journal/records.ts";
import { saveGuest, withoutReason } from "./guest-records.ts";

export type ExitCause = "PoweredOff" | "Died";

/**
 * Records that a guest's process ended unasked, if it really did. A guest in the middle of a migration is left to it: its state
 * is complete without the process.
 */
export function noteExit(context: AgentContext, handle: string, cause: ExitCause): void {
  const uid = byHandle(context, handle)?.uid;
  if (uid === undefined) return;
  const noted = context.guestLock.run(uid, async () => {
    if (context.stopping.aborted || byHandle(context, handle)?.state !== "Running") return;
    if ((await context.driver.processState(handle)) !== "Absent") return;
    const guest = byHandle(context, handle);
    if (guest?.state === "Running") saveGuest(context, ended(guest, cause));
  });
  noted.catch((error) => context.logger.error({ err: error, uid }, "exit of guest not recorded"));
}

function ended(guest: GuestRecord, cause: ExitCause): GuestRecord {
  if (cause === "PoweredOff") return { ...withoutReason(guest), state: "Stopped" };
  return { ...withoutReason(guest), state: "Crashed", reason: "GuestCrashed", message: "its process died" };
}

function byHandle(context: AgentContext, handle: string): GuestRecord | undefined {
  if (context.ending.aborted) return undefined;
  return context.journal.guests().find((guest) => guest.handle === handle);
}
