import type { VirtualMachine } from "../api/resources.ts";

/** Name of the index of VMs by uid; agents know VMs by nothing else. */
export const byUid = "uid";

/** One function for all who add the index, since a cache takes only one under a name. */
export const uidOf = (vm: VirtualMachine): string | undefined => vm.metadata.uid;
