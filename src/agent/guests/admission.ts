import type { GuestRecord } from "../journal/records.ts";
import type { AgentHold, GuestState, HostCapacity } from "../protocol/types.ts";
import { refusal } from "../refusal.ts";

interface Need {
  uid: string;
  namespace: string;
  name: string;
  cpus: number;
  memoryBytes: number;
}

/** States in which a guest's memory is on this host. */
const occupying: GuestState[] = ["Starting", "Running", "Suspended", "HandedOver", "Incoming"];

/** What the guests take, those on their way here and those not released yet included. */
export function allocation(guests: GuestRecord[]): { cpus: number; memoryBytes: number; virtualMachines: number } {
  const present = guests.filter((guest) => occupying.includes(guest.state));
  return {
    cpus: sum(present.map((guest) => guest.configuration.cpus)),
    memoryBytes: sum(present.map((guest) => guest.configuration.memoryBytes)),
    virtualMachines: present.length,
  };
}

/** @throws {AgentError} `HostFull` when the guest does not fit beside the others */
export function checkRoom(guests: GuestRecord[], capacity: HostCapacity, need: Need): void {
  const used = allocation(guests.filter((guest) => guest.uid !== need.uid));
  const freeCpus = capacity.cpus - used.cpus;
  const freeBytes = capacity.memoryBytes - used.memoryBytes;
  const who = `${need.namespace}/${need.name}`;
  if (need.cpus > freeCpus) {
    throw refusal("HostFull", `${who} needs ${need.cpus} CPUs, ${freeCpus} of ${capacity.cpus} are free`);
  }
  if (need.memoryBytes > freeBytes) {
    const numbers = `${freeBytes} of ${capacity.memoryBytes} are free`;
    throw refusal("HostFull", `${who} needs ${need.memoryBytes} bytes of memory, ${numbers}`);
  }
}

/** The holds that have not ended. */
export function holdsAt(holds: AgentHold[], now: Date): AgentHold[] {
  return holds.filter((hold) => new Date(hold.until).getTime() > now.getTime());
}

/** @throws {AgentError} `HostHeld` when a hold closes the host to this guest */
export function checkHolds(holds: AgentHold[], need: Need, now: Date): void {
  const closing = holdsAt(holds, now).find((hold) => !hold.allowedUids.includes(need.uid));
  if (closing === undefined) return;
  const until = `reservation ${closing.reservationUid} holds this host until ${closing.until}`;
  throw refusal("HostHeld", `${need.namespace}/${need.name} (uid ${need.uid}) is not allowed here: ${until}`);
}

/** @throws {AgentError} `WrongState` when a guest of that name is here under another uid; a found VM is adopted, never started twice */
export function checkName(guests: GuestRecord[], need: Need): void {
  const same = guests.find(
    (guest) =>
      guest.uid !== need.uid &&
      guest.configuration.namespace === need.namespace &&
      guest.configuration.name === need.name,
  );
  if (same === undefined) return;
  const who = `${need.namespace}/${need.name}`;
  throw refusal("WrongState", `${who} is already here under uid ${same.uid}; adopt it as ${need.uid}, or discard it`);
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
