import type { GuestReport } from "../../agent/protocol/types.ts";
import { virtualMachineReasons as reasons } from "../../api/conditions.ts";
import { formatMemory, parseMemory } from "../../api/quantity.ts";
import type { VirtualMachine } from "../../api/resources.ts";
import { invalidName } from "../name-rule.ts";
import { retryAfterMilliseconds } from "./backoff.ts";
import { decideDeletion } from "./decide-deletion.ts";
import { type Decision, nothing, type Statement, statement } from "./decision.ts";
import type { Refusal } from "./host-check.ts";
import type { Inventory, Situation } from "./situation.ts";
import { invalidSpec } from "./validate.ts";

/** Decides the next step for a VM without a running migration. Pure. */
export function decide(situation: Situation): Decision {
  const { vm, holder } = situation;
  if (vm.metadata.deletionTimestamp !== undefined) return decideDeletion(situation);
  const invalid = invalidName(vm) ?? invalidSpec(vm.spec);
  if (invalid !== undefined) {
    const placed = statement("False", reasons.InvalidSpec, invalid);
    return nothing({ phase: vm.status?.phase ?? "Pending", placed });
  }
  const grant = vm.status?.grant;
  if (!grant || !holder) return placeFirst(situation);
  switch (holder.kind) {
    case "Silent":
      // What the operator before this one found out stands until the first attempt to connect has ended.
      if (holder.isConnecting && vm.status?.phase) return nothing({ phase: vm.status.phase });
      return silent(grant.hostName, holder.why, situation);
    case "NoSuchHost":
      return silent(grant.hostName, `there is no VMHost ${grant.hostName} any more; create it again`, situation);
    case "GivenUp":
      return afterLostHost(situation, grant.hostName);
    case "Answers":
      return holder.guest ? decideHeld(situation, grant.hostName, holder.guest) : absent(situation, grant.hostName);
  }
}

function silent(hostName: string, why: string, { vm, wanted }: Situation): Decision {
  const message = `${hostName} does not answer: ${why}`;
  const placed = wanted === undefined || wanted === hostName ? "Unknown" : "False";
  return nothing({
    phase: "Unknown",
    placed: statement(placed, reasons.HostNotReady, message),
    running: vm.status?.hostName === undefined ? undefined : statement("Unknown", reasons.HostSilent, message),
  });
}

/** Its host was declared out of service: the VM is started anew elsewhere, or stays crashed, by its own policy. */
function afterLostHost(situation: Situation, hostName: string): Decision {
  const message = `${hostName} was declared out of service while it held the VM`;
  if (!shallRestart(situation)) {
    return nothing({
      phase: "Crashed",
      placed: statement("False", reasons.HostNotReady, message),
      running: statement("False", reasons.Crashed, message),
    });
  }
  return placeFirst(situation, { type: "Warning", reason: "Restarted", message: `${message}; it is started anew` });
}

function shallRestart({ vm }: Situation): boolean {
  return vm.spec.powerState !== "Stopped" && vm.spec.onCrash !== "Stop";
}

/** Neither granted nor known to be anywhere: found and adopted, or given a host (design.md §8.1). */
function placeFirst(situation: Situation, event?: Decision["event"]): Decision {
  const { vm, inventory } = situation;
  if (inventory === undefined) throw new Error("the inventory is needed to place a VM");
  const found = adoption(situation, inventory);
  if (found) return found;
  if (vm.spec.powerState === "Stopped") {
    const message = "it is not to run, and gets a host when it is";
    return nothing({
      phase: "Stopped",
      placed: statement("False", reasons.Stopped, message),
      running: statement("False", reasons.Stopped, "it was never started"),
    });
  }
  if (inventory.unanswered.length > 0) return unanswered(inventory);
  const target = targetFor(situation);
  if ("refusal" in target) return notPlaced(target.refusal);
  const epoch = (vm.status?.grant?.epoch ?? 0) + 1;
  const { hostName, byScheduler } = target;
  return {
    step: { do: "Grant", hostName, epoch, byScheduler, surrenderFrom: undefined },
    verdict: starting(hostName),
    event,
  };
}

function unanswered(inventory: Inventory): Decision {
  const list = inventory.unanswered.map(({ hostName, why }) => `${hostName} (${why})`).join("; ");
  const message =
    `every host has to say first that it does not hold this VM, and these do not answer: ${list}. ` +
    "Repair the connection, delete the VMHost, or set its spec.outOfService";
  return notPlaced({ reason: reasons.UnansweredHosts, message, short: "" });
}

function notPlaced(refusal: Refusal): Decision {
  return nothing({
    phase: "Pending",
    placed: statement("False", refusal.reason, refusal.message),
    running: statement("False", reasons.Stopped, "it has no host"),
  });
}

/** Where to start it: where it is wanted, or where the scheduler says. */
function targetFor(situation: Situation): { hostName: string; byScheduler: boolean } | { refusal: Refusal } {
  const { vm, wanted } = situation;
  const wasScheduled = vm.spec.hostName === undefined && vm.status?.assignment?.by.kind === "Scheduler";
  const refusal = wanted === undefined ? undefined : (situation.refusedStart(wanted) ?? situation.refusalOf(wanted));
  if (wanted !== undefined && refusal === undefined) return { hostName: wanted, byScheduler: wasScheduled };
  if (wanted !== undefined && refusal !== undefined && !wasScheduled && !isLost(situation)) return { refusal };
  const choice = situation.chooseHost();
  return "hostName" in choice ? { ...choice, byScheduler: true } : choice;
}

/** Nobody wants it anywhere in particular, but for the host it was lost with. */
function isLost({ vm, holder, wanted }: Situation): boolean {
  return holder?.kind === "GivenUp" && vm.spec.hostName === undefined && wanted === vm.status?.hostName;
}

/** A guest of this namespace and name is on some host: it is taken over, never started a second time. */
function adoption({ vm }: Situation, inventory: Inventory): Decision | undefined {
  const live = inventory.found.filter(({ guest }) => guest.state === "Running" || guest.state === "Starting");
  const idle = inventory.found.filter(({ guest }) => ["Stopped", "Crashed", "Lost"].includes(guest.state));
  idle.sort((a, b) => b.guest.epoch - a.guest.epoch);
  const chosen = live[0] ?? idle[0];
  const [first, second] = live;
  if (first && second) {
    const message = `both ${first.hostName} and ${second.hostName} run a guest of this name; one has to be removed by hand`;
    return notPlaced({ reason: reasons.Incompatible, message, short: "" });
  }
  const moving = inventory.found.find(({ guest }) => ["Suspended", "HandedOver", "Incoming"].includes(guest.state));
  if (!first && moving) {
    const message = `${moving.hostName} holds a guest of this name in a migration (${moving.guest.state}) that has not ended`;
    return notPlaced({ reason: reasons.Moving, message, short: "" });
  }
  // One that does not run here may run where nobody answers.
  if (!chosen || (!first && inventory.unanswered.length > 0)) return undefined;
  const { hostName, guest } = chosen;
  const difference = sizeDifference(vm, guest);
  if (difference !== undefined) {
    const message = `${hostName} has a guest of this name with ${difference}; describe it as it is, or remove it`;
    return notPlaced({ reason: reasons.Incompatible, message, short: "" });
  }
  return {
    step: { do: "Adopt", hostName, guestUid: guest.uid, epoch: guest.epoch, migrationId: guest.migrationId },
    verdict: { phase: "Pending", placed: statement("True", reasons.OnWantedHost, `found on ${hostName}`) },
    event: { type: "Normal", reason: "Adopted", message: `a guest of this name was found on ${hostName} and adopted` },
  };
}

/** `1 CPUs, 64Mi, image a, not 2 CPUs, 64Mi, image a`: what the guest is, and what the spec says. */
function sizeDifference({ spec }: VirtualMachine, guest: GuestReport): string | undefined {
  const { cpus, memory, disk } = spec;
  const isSame = guest.cpus === cpus && guest.memoryBytes === parseMemory(memory) && guest.image === disk.image;
  if (isSame) return undefined;
  const is = `${guest.cpus} CPUs, ${formatMemory(guest.memoryBytes)}, image ${guest.image}`;
  return `${is}, not ${cpus} CPUs, ${memory}, image ${disk.image}`;
}

function starting(hostName: string): Decision["verdict"] {
  return {
    phase: "Starting",
    placed: statement("True", reasons.OnWantedHost, `its host is ${hostName}`),
    running: statement("False", reasons.Starting, `it is being started on ${hostName}`),
  };
}

/** The host has the grant, answers, and does not hold it: not started yet, or gone from there. */
function absent(situation: Situation, hostName: string): Decision {
  const { vm } = situation;
  const grant = vm.status?.grant;
  const epoch = grant?.epoch ?? 0;
  if (vm.status?.hostName === hostName) return vanished(hostName);
  if (vm.spec.powerState === "Stopped") {
    return nothing({ phase: "Stopped", running: statement("False", reasons.Stopped, "it was never started") });
  }
  const refusal = situation.refusedStart(hostName) ?? situation.refusalOf(hostName);
  const isWanted = situation.wanted === undefined || situation.wanted === hostName;
  if (refusal === undefined && isWanted) {
    return { step: { do: "Start", hostName, epoch }, verdict: starting(hostName) };
  }
  const target = targetFor(situation);
  if ("refusal" in target) return notPlaced(target.refusal);
  const step = { do: "Grant", ...target, epoch: epoch + 1, surrenderFrom: hostName } as const;
  return { step, verdict: starting(target.hostName) };
}

/**
 * It was seen there, and the agent that said so knows nothing of it now: a journal that was removed, or another machine
 * under the name. Its processes may still run, so that only a person can say that it may be started anew.
 */
function vanished(hostName: string): Decision {
  const message =
    `${hostName} had it and says that it does not know it. When no process of it is left there, delete this object and ` +
    "create it again";
  return nothing({ phase: "Unknown", running: statement("Unknown", reasons.HostSilent, message) });
}

/** Started anew where its disk is, under a new epoch. */
function restart(situation: Situation, hostName: string, epoch: number, why: string): Decision {
  const refusal = situation.refusedStart(hostName);
  const running = statement("False", refusal?.reason ?? reasons.Crashed, refusal?.message ?? why);
  const wait = situation.restartInMilliseconds;
  if (refusal || wait > 0) {
    return { ...nothing({ phase: "Crashed", running }), requeueAfterMilliseconds: Math.max(wait, 1000) };
  }
  const grant = { do: "Grant", hostName, epoch: epoch + 1, byScheduler: false, surrenderFrom: undefined } as const;
  return {
    step: { ...grant, restarts: true },
    verdict: { phase: "Starting", running: statement("False", reasons.Starting, `${why}; it is started anew`) },
    event: { type: "Warning", reason: "Restarted", message: `${why}; it is started anew from its disk` },
  };
}

function decideHeld(situation: Situation, hostName: string, guest: GuestReport): Decision {
  const { vm } = situation;
  const difference = sizeDifference(vm, guest);
  if (difference !== undefined) return edited(situation, hostName, guest, difference);
  const epoch = Math.max(guest.epoch, vm.status?.grant?.epoch ?? 0);
  const placed = placement(situation, hostName);
  const base = { hostName, bootId: guest.bootId, placed };
  const isWantedOff = vm.spec.powerState === "Stopped";
  switch (guest.state) {
    case "Running":
      if (isWantedOff) {
        const running = statement("False", reasons.Stopped, `it is being powered down on ${hostName}`);
        return { step: { do: "Stop", hostName }, verdict: { ...base, phase: "Stopped", running } };
      }
      return whileRunning(situation, hostName, guest);
    case "Starting": {
      const running = statement("False", reasons.Starting, `it is being started on ${hostName}`);
      return { ...nothing({ ...base, phase: "Starting", running }), requeueAfterMilliseconds: 1000 };
    }
    case "Stopped":
      if (isWantedOff) {
        const running = statement("False", reasons.Stopped, `it is powered off on ${hostName}`);
        return nothing({ ...base, phase: "Stopped", running });
      }
      return withHost(restart(situation, hostName, epoch, `it was powered off on ${hostName}`), base);
    case "Crashed":
    case "Lost": {
      const message = guest.state === "Lost" ? `${hostName} has rebooted` : `its process on ${hostName} has died`;
      if (shallRestart(situation)) return withHost(restart(situation, hostName, epoch, message), base);
      return nothing({ ...base, phase: "Crashed", running: statement("False", reasons.Crashed, message) });
    }
    default: {
      const message = `${hostName} holds it as ${guest.state}, of a migration that has ended`;
      const running = statement("False", reasons.Moving, message);
      return { ...nothing({ ...base, phase: "Unknown", running }), requeueAfterMilliseconds: 2000 };
    }
  }
}

/** Only a server without CEL lets such an edit through. The guest stays as it is and where it is. */
function edited({ vm }: Situation, hostName: string, guest: GuestReport, difference: string): Decision {
  const message = `cpus, memory and disk cannot change: it has ${difference}; make a new virtual machine`;
  const placed = statement("False", reasons.InvalidSpec, message);
  return nothing({ hostName, bootId: guest.bootId, phase: vm.status?.phase ?? "Pending", placed });
}

function withHost(decision: Decision, base: { hostName: string; placed: Statement }): Decision {
  return { ...decision, verdict: { ...base, ...decision.verdict } };
}

function placement({ wanted }: Situation, hostName: string): Statement {
  if (wanted === undefined || wanted === hostName) {
    return statement("True", reasons.OnWantedHost, `it is on ${hostName}`);
  }
  return statement("False", reasons.Stopped, `it is wanted on ${wanted}, and only a running VM is moved`);
}

function whileRunning(situation: Situation, hostName: string, guest: GuestReport): Decision {
  const { vm, wanted, now } = situation;
  const running = statement("True", reasons.Running, `it runs on ${hostName}`);
  const base = { hostName, bootId: guest.bootId, phase: "Running", running };
  if (wanted === undefined || wanted === hostName) {
    return nothing({ ...base, placed: statement("True", reasons.OnWantedHost, `it is on ${hostName}`) });
  }
  if (vm.spec.migration?.policy === "Never") {
    const message = `it is wanted on ${wanted}, but its spec.migration.policy is Never`;
    return nothing({ ...base, placed: statement("False", reasons.MigrationForbidden, message) });
  }
  const refusal = situation.refusalOf(wanted);
  if (refusal) return nothing({ ...base, placed: statement("False", refusal.reason, refusal.message) });
  const failed = vm.status?.migrations?.[0];
  const wait = retryAfterMilliseconds(vm.status?.migrations ?? [], wanted, now);
  if (failed && wait > 0) {
    const message = `the last migration to ${wanted} ended as ${failed.result}: ${failed.message ?? failed.reason ?? ""}`;
    const placed = statement("False", reasons.MigrationFailed, message);
    return { ...nothing({ ...base, placed }), requeueAfterMilliseconds: wait };
  }
  const placed = statement("False", reasons.Moving, `it is moving from ${hostName} to ${wanted}`);
  return {
    step: { do: "Migrate", from: hostName, to: wanted, epoch: guest.epoch, stateBytes: stateBytesOf(guest) },
    verdict: { ...base, placed },
  };
}

/** While an agent does not know how much a migration would move, the whole memory is the safe assumption. */
function stateBytesOf(guest: GuestReport): number {
  return guest.stateBytes ?? guest.memoryBytes;
}
