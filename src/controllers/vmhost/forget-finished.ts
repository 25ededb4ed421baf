import { type AgentClient, AgentError } from "../../agent/protocol/client.ts";
import type { MigrationReport } from "../../agent/protocol/types.ts";
import type { VirtualMachine } from "../../api/resources.ts";

/**
 * Lets the agent forget migrations whose result is on record: what the virtualmachine controller could not do when
 * they ended. A migration that no status knows stays, it may just have begun; so does one of a VM that exists no more,
 * until it has settled.
 */
export async function forgetFinished(
  agent: AgentClient,
  virtualMachines: readonly VirtualMachine[],
  term: number,
  signal: AbortSignal,
): Promise<void> {
  const byUid = new Map(virtualMachines.map((vm) => [vm.metadata.uid, vm]));
  const isOver = ({ uid, id }: MigrationReport) => {
    const vm = byUid.get(uid);
    if (!vm) return true;
    return vm.status?.migration?.id !== id && (vm.status?.migrations ?? []).some((finished) => finished.id === id);
  };
  for (const report of await agent.migrations(signal)) {
    if (!report.settled || !isEnd(report) || !isOver(report)) continue;
    try {
      await agent.forgetMigration({ term, migrationId: report.id }, signal);
    } catch (error) {
      if (!(error instanceof AgentError && error.reason === "WrongState")) throw error;
    }
  }
}

/** Nothing is held for it any more, or the guest is the host's own by now. */
function isEnd({ role, step }: MigrationReport): boolean {
  if (step === "RolledBack" || step === "Surrendered") return true;
  return role === "Source" ? step === "Released" : step === "Running";
}
