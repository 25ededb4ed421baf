import type { VirtualMachine } from "../../api/resources.ts";

interface Assumption {
  hostName: string;
  isMigration: boolean;
  /** The cache shows it now. */
  isShown(vm: VirtualMachine | undefined): boolean;
}

/**
 * Hosts that VMs were given a moment ago, until the cache shows it: several VMs decided one after the other would all
 * choose the same host otherwise. Only saves detours; the agents refuse what does not fit.
 */
export class Assumptions {
  readonly #byUid = new Map<string, Assumption>();

  granted(uid: string, hostName: string, epoch: number): void {
    const isShown = (vm: VirtualMachine | undefined) => (vm?.status?.grant?.epoch ?? -1) >= epoch;
    this.#byUid.set(uid, { hostName, isMigration: false, isShown });
  }

  migrating(uid: string, hostName: string, id: string): void {
    const isShown = (vm: VirtualMachine | undefined) =>
      vm?.status?.migration?.id === id || (vm?.status?.migrations ?? []).some((finished) => finished.id === id);
    this.#byUid.set(uid, { hostName, isMigration: true, isShown });
  }

  drop(uid: string): void {
    this.#byUid.delete(uid);
  }

  /** What the cache does not show yet. */
  pending(virtualMachines: readonly VirtualMachine[]): { hosts: Map<string, string>; migrations: number } {
    const cached = new Map(virtualMachines.map((vm) => [vm.metadata.uid ?? "", vm]));
    const hosts = new Map<string, string>();
    let migrations = 0;
    for (const [uid, assumption] of this.#byUid) {
      if (!cached.has(uid) || assumption.isShown(cached.get(uid))) {
        this.#byUid.delete(uid);
        continue;
      }
      hosts.set(uid, assumption.hostName);
      if (assumption.isMigration) migrations++;
    }
    return { hosts, migrations };
  }
}
