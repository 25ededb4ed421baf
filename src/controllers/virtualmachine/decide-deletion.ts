import { virtualMachineReasons as reasons } from "../../api/conditions.ts";
import { type Decision, nothing, statement } from "./decision.ts";
import type { Situation } from "./situation.ts";

/**
 * The object goes only when every agent that may hold the guest has proven that it is gone, or a person declared the
 * host out of service. With `deletionPolicy: Retain` the guest stays, and nothing has to be proven.
 */
export function decideDeletion(situation: Situation): Decision {
  const { vm, holder, leftovers } = situation;
  const grant = vm.status?.grant;
  if (vm.spec.deletionPolicy === "Retain") return release("it stays where it is");
  if (!grant || !holder) return release("it was never started");
  if (holder.kind === "Silent" || holder.kind === "NoSuchHost") {
    const why = holder.kind === "Silent" ? holder.why : "its VMHost was deleted";
    const message =
      `${grant.hostName} has to remove the guest and does not answer: ${why}. Repair the connection, create the VMHost ` +
      "again, or set its spec.outOfService";
    return nothing({ phase: "Terminating", running: statement("Unknown", reasons.Terminating, message) });
  }
  const hostNames = [...leftovers];
  if (holder.kind === "Answers" && holder.guest) hostNames.unshift(grant.hostName);
  if (hostNames.length === 0) return release("nothing is left of it");
  const message = `its guest is being removed from ${hostNames.join(" and ")}`;
  return {
    step: { do: "Discard", hostNames },
    verdict: { phase: "Terminating", running: statement("False", reasons.Terminating, message) },
  };
}

function release(message: string): Decision {
  return {
    step: { do: "Release" },
    verdict: { phase: "Terminating", running: statement("False", reasons.Terminating, message) },
  };
}
