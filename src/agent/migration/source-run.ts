import type { AgentContext } from "../context.ts";
import { requireGuest, saveGuest } from "../guests/guest-records.ts";
import type { BeginMigrationOrder, MigrationReport } from "../protocol/types.ts";
import { asAgentError, refusal } from "../refusal.ts";
import type { TransferCertificate } from "../transfer/certificate.ts";
import type { Channel } from "../transfer/channel.ts";
import { connectToTarget } from "../transfer/connect.ts";
import { sendState } from "../transfer/send-state.ts";
import { because, requireMigration, saveMigration } from "./migration-records.ts";
import type { CopyProgress } from "./progress.ts";
import { release } from "./release.ts";
import { rollBack } from "./roll-back.ts";

/** Takes one guest from `Prepared` to the target, or back to running here. Decides step 4 (R3). */
export class SourceRun {
  readonly finished: Promise<void>;
  readonly #context: AgentContext;
  readonly #order: BeginMigrationOrder;
  readonly #certificate: TransferCertificate;
  readonly #progress: CopyProgress;
  readonly #abort = new AbortController();
  readonly #leaseOver = new AbortController();
  #suspendedAt = 0;
  #loadedAt = 0;

  constructor(
    context: AgentContext,
    order: BeginMigrationOrder,
    certificate: TransferCertificate,
    progress: CopyProgress,
  ) {
    this.#context = context;
    this.#order = order;
    this.#certificate = certificate;
    this.#progress = progress;
    this.finished = this.#run().catch((error) => {
      const level = context.stopping.aborted ? "info" : "error";
      context.logger[level]({ err: error, migrationId: order.migrationId }, "migration left for the next start");
    });
  }

  /** Rolls back when the point of no return is not passed; else lets go of the connection. */
  abort(cause: Error): void {
    this.#abort.abort(cause);
  }

  async #run(): Promise<void> {
    const signal = this.#abort.signal;
    let channel: Channel | undefined;
    try {
      channel = await this.#connect(signal);
      await this.#suspend(signal);
      await this.#copy(channel, signal);
      this.#handOver(signal);
    } catch (error) {
      const cause = asAgentError(signal.aborted ? signal.reason : error, "CopyFailed");
      channel?.destroy(cause);
      await rollBack(this.#context, this.#order.migrationId, cause);
      if (this.#record().step === "HandedOver") this.#letGo(cause);
      return;
    } finally {
      this.#leaseOver.abort();
      this.#progress.end(this.#order.migrationId);
    }
    await this.#complete(channel);
  }

  /** Before the guest is touched: a target that cannot be reached costs it nothing. */
  async #connect(signal: AbortSignal): Promise<Channel> {
    const { clock, limits } = this.#context;
    const { epoch, migrationId, target, uid } = this.#order;
    const hello = { migrationId, uid, epoch, token: target.token };
    const channel = await connectToTarget(target, this.#certificate, hello, clock, limits, signal);
    signal.addEventListener("abort", () => channel.destroy(asAgentError(signal.reason)), { once: true });
    return channel;
  }

  async #suspend(signal: AbortSignal): Promise<void> {
    const { clock, driver, journal } = this.#context;
    const { migrationId, uid } = this.#order;
    signal.throwIfAborted();
    journal.transaction(() => {
      const guest = requireGuest(this.#context, uid);
      if (guest.state !== "Running" || guest.migrationId !== migrationId) {
        throw refusal(guest.state === "Crashed" ? "GuestCrashed" : "WrongState", `guest ${uid} is ${guest.state}`);
      }
      saveMigration(this.#context, { ...this.#record(), step: "Suspending" });
      saveGuest(this.#context, { ...guest, state: "Suspended" });
    });
    this.#suspendedAt = clock.monotonicMilliseconds();
    this.#startLease();
    await driver.suspend(this.#handle(), signal).catch((error) => {
      throw asAgentError(error, "SuspendFailed");
    });
    const suspendMilliseconds = Math.round(clock.monotonicMilliseconds() - this.#suspendedAt);
    saveMigration(this.#context, { ...this.#record(), step: "Copying", measured: { suspendMilliseconds } });
  }

  /** Sends everything and waits for the target's vote. */
  async #copy(channel: Channel, signal: AbortSignal): Promise<void> {
    const { clock, driver } = this.#context;
    const { epoch, migrationId, uid } = this.#order;
    const begun = clock.monotonicMilliseconds();
    const parts = await driver.stateParts(this.#handle(), signal);
    let isSent = false;
    const sending = sendState(channel, parts, signal, (it) => this.#progress.update(migrationId, uid, it));
    const sent = sending.then((moved) => {
      isSent = true;
      return moved;
    });
    try {
      const voting = channel.expect("Loaded").then((vote) => {
        if (isSent && vote.migrationId === migrationId && vote.epoch === epoch) return;
        throw refusal("CopyFailed", `the target voted for epoch ${vote.epoch} of migration ${vote.migrationId}`);
      });
      const [moved] = await Promise.all([sent, voting]);
      this.#loadedAt = clock.monotonicMilliseconds();
      const copyMilliseconds = Math.round(this.#loadedAt - begun);
      const record = this.#record();
      saveMigration(this.#context, { ...record, ...moved, measured: { ...record.measured, copyMilliseconds } });
    } catch (error) {
      channel.destroy(asAgentError(error, "CopyFailed"));
      throw error;
    } finally {
      await Promise.allSettled([sent]);
      await Promise.allSettled(parts.map((part) => part.close()));
    }
  }

  /** Step 4. Not interrupted by anything: aborts, the lease and the journal are looked at and written in one go. */
  #handOver(signal: AbortSignal): void {
    const { clock, journal } = this.#context;
    signal.throwIfAborted();
    if (clock.monotonicMilliseconds() - this.#suspendedAt >= this.#order.leaseSeconds * 1000)
      throw this.#leaseExpired();
    journal.transaction(() => {
      const migration = this.#record();
      if (migration.step !== "Copying") throw refusal("WrongState", `migration ${migration.id} is ${migration.step}`);
      saveMigration(this.#context, { ...migration, step: "HandedOver" });
      saveGuest(this.#context, { ...requireGuest(this.#context, migration.uid), state: "HandedOver" });
    });
  }

  /** After step 4 nothing is decided here: it waits, and what it does not learn is the operator's to find out. */
  async #complete(channel: Channel): Promise<void> {
    const { clock } = this.#context;
    const { epoch, migrationId } = this.#order;
    try {
      await channel.send({ type: "HandedOver", migrationId, epoch });
      const running = await channel.expect("Running");
      if (running.migrationId !== migrationId || running.epoch !== epoch + 1) {
        throw refusal("ResumeFailed", `the target says it runs epoch ${running.epoch} of ${running.migrationId}`);
      }
    } catch (error) {
      const cause = asAgentError(error);
      channel.destroy(cause);
      return this.#letGo(cause);
    }
    const now = clock.monotonicMilliseconds();
    const measured: MigrationReport["measured"] = {
      resumeMilliseconds: Math.round(now - this.#loadedAt),
      downtimeMilliseconds: Math.round(now - this.#suspendedAt),
    };
    channel.destroy(refusal("Internal", "the migration is complete"));
    await release(this.#context, migrationId, measured);
  }

  #letGo(cause: Error): void {
    const migration = this.#record();
    if (migration.step !== "HandedOver") return;
    saveMigration(this.#context, { ...migration, settled: true, ...because(asAgentError(cause)) });
  }

  #startLease(): void {
    this.#leaseLeft().then(
      () => this.abort(this.#leaseExpired()),
      () => {}, // the lease is no longer needed
    );
  }

  /** Resolves when the lease is over by the monotonic clock; what is slept may be shorter when the wall clock is set. */
  async #leaseLeft(): Promise<void> {
    const { clock } = this.#context;
    const end = this.#suspendedAt + this.#order.leaseSeconds * 1000;
    for (let left = end - clock.monotonicMilliseconds(); left > 0; left = end - clock.monotonicMilliseconds()) {
      await clock.sleep(Math.ceil(left), this.#leaseOver.signal);
    }
  }

  #leaseExpired(): Error {
    return refusal("LeaseExpired", `suspended for ${this.#order.leaseSeconds} s without the target's vote`);
  }

  #record() {
    return requireMigration(this.#context, this.#order.migrationId, "Source");
  }

  #handle(): string {
    return requireGuest(this.#context, this.#order.uid).handle;
  }
}
