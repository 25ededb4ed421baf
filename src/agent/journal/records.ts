import type { GuestConfiguration, GuestState, MigrationReport } from "../protocol/types.ts";

/** One guest in the journal. */
export interface GuestRecord {
  uid: string;
  /** Under which the driver knows it: the uid it was made with. Differs from `uid` after an adoption. */
  handle: string;
  epoch: number;
  state: GuestState;
  /** Its `uid` is the handle. */
  configuration: GuestConfiguration;
  /** Boot in which the state was entered. */
  bootId: string;
  /** The unsettled or unresolved migration it takes part in. */
  migrationId?: string;
  /** The uid from which it was adopted last. */
  adoptedFrom?: string;
  /** A stop was ordered and has not been finished. */
  stopping?: boolean;
  reason?: string;
  message?: string;
}

/** One migration in the journal: what is reported, and the boot in which its step was entered. */
export interface MigrationRecord extends MigrationReport {
  bootId: string;
}
