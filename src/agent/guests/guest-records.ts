import type { AgentContext } from "../context.ts";
import type { GuestRecord } from "../journal/records.ts";
import { refusal } from "../refusal.ts";

/** @throws {AgentError} `NotFound` */
export function requireGuest(context: AgentContext, uid: string): GuestRecord {
  const guest = context.journal.guest(uid);
  if (guest === undefined) throw refusal("NotFound", `no guest with uid ${uid} is on this host`);
  return guest;
}

/** Writes the guest, stamped with this boot, and tells the listeners. */
export function saveGuest(context: AgentContext, guest: GuestRecord): GuestRecord {
  const stamped = { ...guest, bootId: context.bootId };
  context.journal.putGuest(stamped);
  context.events.emit({ type: "GuestChanged", uid: guest.uid });
  return stamped;
}

/** Without what belonged to the state before. */
export function withoutReason(guest: GuestRecord): GuestRecord {
  const { stopping: _stopping, reason: _reason, message: _message, ...rest } = guest;
  return rest;
}

/** No longer part of a migration. */
export function freed(guest: GuestRecord): GuestRecord {
  const { migrationId: _migrationId, ...rest } = withoutReason(guest);
  return rest;
}
