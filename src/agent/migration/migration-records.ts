import type { AgentContext } from "../context.ts";
import type { MigrationRecord } from "../journal/records.ts";
import type { AgentError } from "../protocol/client.ts";
import type { MigrationReport, MigrationRole } from "../protocol/types.ts";
import { refusal } from "../refusal.ts";

/** @throws {AgentError} `NotFound`, or `WrongState` when this host plays the other role */
export function requireMigration(context: AgentContext, id: string, role: MigrationRole): MigrationRecord {
  const migration = context.journal.migration(id);
  if (migration === undefined) throw refusal("NotFound", `no migration ${id} is known to this host`);
  if (migration.role === role) return migration;
  throw refusal("WrongState", `this host is the ${migration.role.toLowerCase()} of migration ${id}`);
}

/** Writes the migration, stamped with this boot, and tells the listeners. */
export function saveMigration(context: AgentContext, migration: MigrationRecord): MigrationRecord {
  const stamped = { ...migration, bootId: context.bootId };
  context.journal.putMigration(stamped);
  context.events.emit({ type: "MigrationChanged", uid: migration.uid, migrationId: migration.id });
  return stamped;
}

export function because(error: AgentError): { reason: string; message: string } {
  return { reason: error.reason, message: error.message };
}

export function reportOf(migration: MigrationRecord): MigrationReport {
  const { bootId: _bootId, ...report } = migration;
  return report;
}

export function wrongStep(migration: MigrationRecord, wish: string): AgentError {
  const reason = migration.reason === undefined ? "" : ` (${migration.reason})`;
  return refusal("WrongState", `cannot ${wish}: migration ${migration.id} is ${migration.step}${reason} here`);
}
