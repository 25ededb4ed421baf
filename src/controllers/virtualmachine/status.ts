import { virtualMachineConditions as conditions, virtualMachineReasons as reasons } from "../../api/conditions.ts";
import type { VirtualMachine } from "../../api/resources.ts";
import type { VirtualMachineStatus } from "../../api/types.gen.ts";
import { setCondition } from "../../runtime/condition.ts";
import { type Statement, statement, type Verdict } from "./decision.ts";

/** The VM's status with the verdict in it. */
export function withVerdict(vm: VirtualMachine, verdict: Verdict, now: Date): VirtualMachineStatus {
  const status: VirtualMachineStatus = { ...vm.status, phase: verdict.phase };
  if (vm.metadata.generation !== undefined) status.observedGeneration = vm.metadata.generation;
  if (verdict.hostName !== undefined) status.hostName = verdict.hostName;
  if (verdict.bootId !== undefined && status.grant && status.grant.hostName === verdict.hostName) {
    status.grant = { ...status.grant, bootID: verdict.bootId };
  }
  const stated: [string, Statement | undefined][] = [
    [conditions.Placed, verdict.placed],
    [conditions.Running, verdict.running],
    [conditions.Migrating, migrating(status)],
  ];
  for (const [type, said] of stated) {
    const kept = said ?? (status.conditions ?? []).find((condition) => condition.type === type);
    if (kept === undefined) continue;
    const { status: value, reason, message } = kept;
    const generation = vm.metadata.generation === undefined ? {} : { observedGeneration: vm.metadata.generation };
    const input = { type, status: value, reason, message: message ?? "", ...generation };
    status.conditions = setCondition(status.conditions, input, now) as NonNullable<VirtualMachineStatus["conditions"]>;
  }
  return status;
}

function migrating(status: VirtualMachineStatus): Statement {
  const running = status.migration;
  if (running) return statement("True", reasons.Moving, `it is moving from ${running.from} to ${running.to}`);
  const last = status.migrations?.[0];
  if (last && last.result !== "Succeeded") {
    const message = `the last migration, from ${last.from} to ${last.to}, ended as ${last.result}: ${last.message ?? ""}`;
    return statement("False", reasons.MigrationFailed, message);
  }
  return statement("False", reasons.NotMoving, "no migration is under way");
}
