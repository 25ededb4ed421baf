import type { GuestConfiguration } from "../protocol/types.ts";

/** What must be the same where a state was made and where it is loaded. */
const hardwareFields = [
  "driver",
  "accelerator",
  "machineType",
  "cpuModel",
  "cpus",
  "memoryBytes",
  "devices",
  "macAddress",
  "imageSha256",
] as const satisfies (keyof GuestConfiguration)[];

/** The first difference between two guests' hardware, in words, or undefined when a state of one fits the other. */
export function hardwareDifference(stateOf: GuestConfiguration, here: GuestConfiguration): string | undefined {
  for (const field of hardwareFields) {
    const [theirs, ours] = [String(stateOf[field]), String(here[field])];
    if (theirs !== ours) return `the guest's ${field} is ${theirs}, here it is ${ours}`;
  }
  return undefined;
}
