import type { GuestReport } from "../../agent/protocol/types.ts";
import type { VirtualMachine } from "../../api/resources.ts";
import type { Refusal } from "./host-check.ts";
import type { Choice } from "./scheduler.ts";

/**
 * What the host that has the grant says of the guest. `isConnecting`: this operator has just started, or the host was
 * just made known, and nothing was learned yet. `NoSuchHost`: its VMHost was deleted.
 */
export type HolderView =
  | { kind: "Silent"; why: string; isConnecting?: boolean }
  | { kind: "GivenUp" }
  | { kind: "NoSuchHost" }
  | { kind: "Answers"; guest?: GuestReport | undefined };

/** What all hosts say of a namespace and name. */
export interface Inventory {
  /** Hosts that do not answer and were not declared out of service, each with the reason. */
  unanswered: { hostName: string; why: string }[];
  found: { hostName: string; guest: GuestReport }[];
}

/** Everything that the decision for one VM without a running migration depends on. */
export interface Situation {
  /** As the server has it now. */
  vm: VirtualMachine;
  now: Date;
  /** By `wantedHost`. */
  wanted: string | undefined;
  /** Absent while there is no grant. */
  holder?: HolderView | undefined;
  /** Read only when it may have to be started somewhere: without a grant, or with one whose host was given up. */
  inventory?: Inventory | undefined;
  /** Other hosts whose agents list this uid: copies that a migration left behind. */
  leftovers: readonly string[];
  /** Why it may not come to a host now. */
  refusalOf(hostName: string): Refusal | undefined;
  /** Why the host itself refused the last start there, while it is too early to ask again. */
  refusedStart(hostName: string): Refusal | undefined;
  chooseHost(): Choice;
  /** Milliseconds until a guest that keeps dying may be started again; zero for now. */
  restartInMilliseconds: number;
}
