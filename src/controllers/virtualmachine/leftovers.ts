import type { AgentClient } from "../../agent/protocol/client.ts";
import type { MigrationReport } from "../../agent/protocol/types.ts";
import type { VirtualMachine } from "../../api/resources.ts";

/**
 * Clears away a copy that a finished migration left on a host that did not answer then, or that a host holds which was
 * given up and has returned (R7). To be called only while the VM runs where its grant is, so that the last copy is
 * never the one removed.
 */
export async function clearLeftover(
  vm: VirtualMachine,
  hostName: string,
  agent: AgentClient,
  term: number,
  signal: AbortSignal,
): Promise<void> {
  const uid = vm.metadata.uid ?? "";
  const reports = (await agent.migrations(signal)).filter((report) => report.uid === uid);
  for (const report of reports) await endReport(vm, hostName, agent, report, term, signal);
  const guest = await agent.guest(uid, signal);
  const grant = vm.status?.grant;
  if (!guest || !grant || guest.epoch >= grant.epoch || grant.hostName === hostName) return;
  if (reports.some((report) => !report.settled)) return;
  await agent.discard({ term, uid }, signal);
}

/** Only what is recorded as finished is touched: the cache of running migrations may lag. */
async function endReport(
  vm: VirtualMachine,
  hostName: string,
  agent: AgentClient,
  report: MigrationReport,
  term: number,
  signal: AbortSignal,
): Promise<void> {
  const finished = (vm.status?.migrations ?? []).find(({ id }) => id === report.id);
  if (!finished) return;
  const order = { term, migrationId: report.id };
  const isSource = report.role === "Source" && finished.from === hostName;
  const isTarget = report.role === "Target" && finished.to === hostName;
  if (isSource && finished.result === "Succeeded" && report.step !== "Released") {
    await agent.releaseSource(order, signal);
  }
  if (isTarget && finished.result !== "Succeeded" && !["RolledBack", "Surrendered"].includes(report.step)) {
    await (report.step === "Loaded" ? agent.discardTarget(order, signal) : agent.abortMigration(order, signal));
  }
  await agent.forgetMigration(order, signal);
}
