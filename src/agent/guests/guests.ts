import type { AgentContext } from "../context.ts";
import type { GuestRecord } from "../journal/records.ts";
import type {
  AdoptOrder,
  GuestConfiguration,
  GuestReport,
  HostCapacity,
  StartOrder,
  StopOrder,
} from "../protocol/types.ts";
import { asAgentError, refusal } from "../refusal.ts";
import { acceptTerm } from "../terms.ts";
import { checkHolds, checkName, checkRoom } from "./admission.ts";
import { noteExit } from "./guest-exit.ts";
import { requireGuest, saveGuest, withoutReason } from "./guest-records.ts";
import { StateEstimates } from "./state-estimates.ts";

/** Orders about one guest that is in no migration. Migrations change guests by themselves, and own them while they last. */
export class Guests {
  readonly #context: AgentContext;
  readonly #estimates: StateEstimates;

  constructor(context: AgentContext) {
    this.#context = context;
    this.#estimates = new StateEstimates(context);
    context.driver.onExit((handle, cause) => noteExit(context, handle, cause));
  }

  async list(): Promise<GuestReport[]> {
    return Promise.all(this.#context.journal.guests().map((guest) => this.#report(guest)));
  }

  async find(uid: string): Promise<GuestReport | undefined> {
    const guest = this.#context.journal.guest(uid);
    return guest === undefined ? undefined : this.#report(guest);
  }

  /** The last bytes of the guest's serial port. */
  console(uid: string, bytes: number): Promise<string> {
    return this.#context.driver.console(requireGuest(this.#context, uid).handle, bytes);
  }

  /** R1: the operator recorded this grant. Repeated, it answers the same. */
  start(order: StartOrder): Promise<GuestReport> {
    const { driver, ending, guestLock, journal } = this.#context;
    return guestLock.run(order.uid, async () => {
      acceptTerm(journal, order.term);
      const known = this.#checkGrant(order);
      if (known?.state === "Running") return this.#report(this.#withEpoch(known, order.epoch));
      const handle = known?.handle ?? order.uid;
      const configured = await driver.configure({ ...shapeOf(order), uid: handle }, ending);
      const configuration = keepIdentity(configured, known?.configuration);
      const { capacity } = await driver.describe(ending);
      await this.#boot(this.#admit(order, handle, configuration, capacity), known);
      return this.#report(requireGuest(this.#context, order.uid));
    });
  }

  stop(order: StopOrder): Promise<GuestReport> {
    const { driver, ending, guestLock, journal } = this.#context;
    return guestLock.run(order.uid, async () => {
      acceptTerm(journal, order.term);
      const guest = this.#requireFree(order.uid);
      if (guest.state === "Running") {
        saveGuest(this.#context, { ...guest, stopping: true });
        await driver.powerOff(guest.handle, order.graceSeconds, ending);
      }
      if (guest.state !== "Stopped") saveGuest(this.#context, { ...withoutReason(guest), state: "Stopped" });
      return this.#report(requireGuest(this.#context, order.uid));
    });
  }

  /** The guest belongs to another uid from now on; the old one is buried here. */
  adopt(order: AdoptOrder): Promise<GuestReport> {
    const { guestLock, journal } = this.#context;
    return guestLock.run(order.uid, async () => {
      acceptTerm(journal, order.term);
      const adopted = journal.guest(order.newUid);
      if (adopted?.adoptedFrom === order.uid) return this.#report(adopted);
      const guest = this.#requireFree(order.uid);
      if (order.newUid === order.uid) return this.#report(guest);
      if (adopted) throw refusal("WrongState", `newUid ${order.newUid} is another guest's here`);
      const tombstone = journal.tombstone(order.newUid);
      if (tombstone !== undefined && tombstone >= guest.epoch) {
        throw refusal("Tombstoned", `newUid ${order.newUid} left this host at epoch ${tombstone}`);
      }
      const renamed = { ...guest, uid: order.newUid, adoptedFrom: order.uid };
      journal.transaction(() => {
        journal.removeGuest(order.uid);
        journal.raiseTombstone(order.uid, guest.epoch);
        saveGuest(this.#context, renamed);
      });
      return this.#report(renamed);
    });
  }

  /** Ends the guest and removes all its files. The tombstone comes first: a crash in between cannot bring the guest back. */
  discard(order: { term: number; uid: string }): Promise<void> {
    const { driver, ending, guestLock, journal, events } = this.#context;
    return guestLock.run(order.uid, async () => {
      acceptTerm(journal, order.term);
      if (journal.guest(order.uid) === undefined) return;
      const guest = this.#requireFree(order.uid);
      journal.raiseTombstone(guest.uid, guest.epoch);
      await driver.discard(guest.handle, ending);
      journal.removeGuest(guest.uid);
      events.emit({ type: "GuestChanged", uid: guest.uid });
    });
  }

  #checkGrant(order: StartOrder): GuestRecord | undefined {
    const { journal, clock } = this.#context;
    const tombstone = journal.tombstone(order.uid);
    if (tombstone !== undefined && order.epoch <= tombstone) {
      throw refusal(
        "Tombstoned",
        `epoch ${order.epoch} of ${order.uid} is not above ${tombstone}, which left this host`,
      );
    }
    const known = journal.guest(order.uid);
    if (known) {
      if (order.epoch < known.epoch) {
        throw refusal(
          "StaleEpoch",
          `epoch ${order.epoch} of ${order.uid} is below ${known.epoch}, under which it is here`,
        );
      }
      checkSameShape(order, known.configuration);
      this.#requireFree(order.uid);
      if (known.state === "Running") return known;
    }
    checkName(journal.guests(), order);
    checkHolds(journal.holds, order, clock.now());
    return known;
  }

  /** One step: what was checked is still so when it is written. */
  #admit(order: StartOrder, handle: string, configuration: GuestConfiguration, capacity: HostCapacity): GuestRecord {
    return this.#context.journal.transaction(() => {
      this.#checkGrant(order);
      checkRoom(this.#context.journal.guests(), capacity, order);
      const { uid, epoch } = order;
      const { bootId } = this.#context;
      return saveGuest(this.#context, { uid, handle, epoch, state: "Starting", configuration, bootId });
    });
  }

  async #boot(starting: GuestRecord, before: GuestRecord | undefined): Promise<void> {
    const { driver, ending } = this.#context;
    try {
      await driver.boot(starting.configuration, ending);
    } catch (error) {
      if (!ending.aborted) await this.#undoStart(starting, before, error);
      throw asAgentError(error, "StartFailed");
    }
    saveGuest(this.#context, { ...starting, state: "Running" });
  }

  /** A guest that was never here leaves nothing behind; one that was keeps its disk. */
  async #undoStart(starting: GuestRecord, before: GuestRecord | undefined, error: unknown): Promise<void> {
    const { driver, ending, journal, events } = this.#context;
    const { reason, message } = asAgentError(error, "StartFailed");
    if (before) {
      await driver.powerOff(starting.handle, 0, ending);
      saveGuest(this.#context, { ...before, epoch: starting.epoch, reason, message });
      return;
    }
    await driver.discard(starting.handle, ending);
    journal.removeGuest(starting.uid);
    events.emit({ type: "GuestChanged", uid: starting.uid });
  }

  #withEpoch(guest: GuestRecord, epoch: number): GuestRecord {
    return epoch === guest.epoch ? guest : saveGuest(this.#context, { ...guest, epoch });
  }

  /** @throws {AgentError} `Busy` while a migration owns it */
  #requireFree(uid: string): GuestRecord {
    const guest = requireGuest(this.#context, uid);
    if (guest.migrationId === undefined) return guest;
    throw refusal("Busy", `guest ${uid} takes part in migration ${guest.migrationId}; end that first`);
  }

  async #report(guest: GuestRecord): Promise<GuestReport> {
    const { uid, epoch, state, bootId, configuration, migrationId, reason, message } = guest;
    const { namespace, name, cpus, memoryBytes, image } = configuration;
    const stateBytes = state === "Running" ? await this.#estimates.of(guest.handle) : undefined;
    return {
      ...{ uid, namespace, name, epoch, state, cpus, memoryBytes, image, bootId },
      ...(migrationId === undefined ? {} : { migrationId }),
      ...(stateBytes === undefined ? {} : { stateBytes }),
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
    };
  }
}

function shapeOf(order: StartOrder) {
  const { namespace, name, cpus, memoryBytes, image } = order;
  return { namespace, name, cpus, memoryBytes, image };
}

/** The same epoch with another shape would be another grant. */
function checkSameShape(order: StartOrder, known: GuestConfiguration): void {
  for (const field of ["cpus", "memoryBytes", "image"] as const) {
    if (order[field] === known[field]) continue;
    const difference = `${field} is ${order[field]}, the guest here has ${known[field]}`;
    throw refusal("Incompatible", `${order.namespace}/${order.name}: ${difference}`);
  }
}

/** A disk belongs to its base image, and a guest keeps its network address. */
function keepIdentity(configured: GuestConfiguration, known: GuestConfiguration | undefined): GuestConfiguration {
  if (known === undefined) return configured;
  if (known.imageSha256 !== configured.imageSha256) {
    const change = `has SHA-256 ${configured.imageSha256}, the guest's disk was made over ${known.imageSha256}`;
    throw refusal("Incompatible", `image ${configured.image} ${change}`);
  }
  return { ...configured, macAddress: known.macAddress };
}
