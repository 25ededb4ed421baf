import { type MigrationPrediction, predictMigration } from "../model/predict-migration.ts";
import type { PlannerGuest, PlannerHost } from "./inputs.ts";

/** Predicts one VM's move between two hosts. */
export function predictMove(
  guest: PlannerGuest,
  from: PlannerHost | undefined,
  to: PlannerHost | undefined,
): MigrationPrediction {
  const links = [from?.linkBytesPerSecond, to?.linkBytesPerSecond].filter((link) => link !== undefined);
  return predictMigration({
    source: from?.model,
    target: to?.model,
    stateBytes: guest.stateBytes,
    linkBytesPerSecond: Math.min(...links),
  });
}

/** Predicted seconds of moves. Hosts with the same model and link are alike, so few predictions are really made. */
export class MoveCosts {
  readonly #hosts: ReadonlyMap<string, PlannerHost>;
  /** One host of each kind. */
  readonly #kinds: PlannerHost[] = [];
  readonly #kindOf = new Map<string, number>();
  readonly #seconds = new Map<string, Float64Array>();

  constructor(hosts: readonly PlannerHost[]) {
    this.#hosts = new Map(hosts.map((host) => [host.name, host]));
    for (const host of hosts) {
      const isAlike = (one: PlannerHost) =>
        one.model === host.model && one.linkBytesPerSecond === host.linkBytesPerSecond;
      const kind = this.#kinds.findIndex(isAlike);
      this.#kindOf.set(host.name, kind < 0 ? this.#kinds.push(host) - 1 : kind);
    }
  }

  /** Predicted seconds to move the guest from where it is to the host. */
  seconds(guest: PlannerGuest, to: string): number {
    return this.#byKind(guest)[this.#kindOf.get(to) ?? 0] ?? 0;
  }

  /** The least that moving the guest takes, whatever the target. */
  leastSeconds(guest: PlannerGuest): number {
    return Math.min(...this.#byKind(guest));
  }

  #byKind(guest: PlannerGuest): Float64Array {
    const known = this.#seconds.get(guest.uid);
    if (known) return known;
    const from = this.#hosts.get(guest.hostName ?? "");
    const seconds = Float64Array.from(this.#kinds, (kind) => predictMove(guest, from, kind).totalSeconds);
    this.#seconds.set(guest.uid, seconds);
    return seconds;
  }
}
