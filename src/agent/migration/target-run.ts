import type { AgentContext } from "../context.ts";
import { requireGuest } from "../guests/guest-records.ts";
import { asAgentError, refusal } from "../refusal.ts";
import type { Channel } from "../transfer/channel.ts";
import type { Frame } from "../transfer/frames.ts";
import { receiveState } from "../transfer/receive-state.ts";
import { because, requireMigration, saveMigration } from "./migration-records.ts";
import type { CopyProgress } from "./progress.ts";
import { dropTarget } from "./target-drop.ts";
import { resumeTarget } from "./target-resume.ts";

/** Takes one guest from an accepted connection to its vote, and from the hand-over to running. */
export class TargetRun {
  /** The vote is in the journal, or everything was dropped. */
  readonly decided: Promise<void>;
  readonly finished: Promise<void>;
  readonly #context: AgentContext;
  readonly #migrationId: string;
  readonly #channel: Channel;
  readonly #progress: CopyProgress;
  readonly #abort = new AbortController();
  #answer: Promise<Frame> | undefined;
  #loadedAt = 0;

  constructor(context: AgentContext, migrationId: string, channel: Channel, progress: CopyProgress) {
    this.#context = context;
    this.#migrationId = migrationId;
    this.#channel = channel;
    this.#progress = progress;
    const arrived = this.#arrive();
    this.decided = arrived.then(
      () => {},
      () => {},
    );
    this.finished = arrived
      .then((hasVoted) => (hasVoted ? this.#goOn() : undefined))
      .catch((error) => {
        const level = context.stopping.aborted ? "info" : "error";
        context.logger[level]({ err: error, migrationId }, "migration left for the next start or order");
      });
  }

  /** Before the vote everything is dropped; after it the connection is let go, and nothing else changes. */
  abort(cause: Error): void {
    this.#abort.abort(cause);
    this.#channel.destroy(asAgentError(cause));
  }

  /** Step 3. True when it voted. */
  async #arrive(): Promise<boolean> {
    const signal = AbortSignal.any([this.#abort.signal, this.#channel.gone]);
    try {
      await this.#load(signal);
      this.#vote(signal);
      return true;
    } catch (error) {
      const cause = asAgentError(this.#abort.signal.aborted ? this.#abort.signal.reason : error, "CopyFailed");
      const told = this.#channel.fail(cause);
      if (this.#record().step === "Loaded") return true; // it is in the journal although writing it seemed to fail
      await dropTarget(this.#context, this.#migrationId, "RolledBack", cause);
      await told;
      return false;
    } finally {
      this.#progress.end(this.#migrationId);
    }
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { driver } = this.#context;
    signal.throwIfAborted();
    const { bytesTotal, uid } = saveMigration(this.#context, { ...this.#requireStep("Prepared"), step: "Copying" });
    const { handle } = requireGuest(this.#context, uid);
    const report = (bytesDone: number) => {
      this.#progress.update(this.#migrationId, uid, { bytesDone, bytesTotal: Math.max(bytesDone, bytesTotal) });
    };
    const bytesDone = await receiveState(
      this.#channel,
      (part, partSignal) => driver.openSink(handle, part, partSignal),
      signal,
      report,
    );
    // Nothing but the hand-over may come now. Who reads nothing would not notice that the source is gone.
    this.#answer = this.#channel.receive();
    this.#answer.catch(() => {}); // awaited after the vote
    await driver.load(handle, signal).catch((error) => {
      throw asAgentError(error, "LoadFailed");
    });
    saveMigration(this.#context, { ...this.#requireStep("Copying"), bytesDone, bytesTotal: bytesDone });
  }

  #vote(signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#context.journal.transaction(() => {
      saveMigration(this.#context, { ...this.#requireStep("Copying"), step: "Loaded" });
    });
    this.#loadedAt = this.#context.clock.monotonicMilliseconds();
  }

  /** It voted: from here on the source decides, or the operator. */
  async #goOn(): Promise<void> {
    const { epoch } = this.#record();
    try {
      await this.#channel.send({ type: "Loaded", migrationId: this.#migrationId, epoch });
      const order = await this.#channel.expect("HandedOver", this.#answer);
      if (order.migrationId !== this.#migrationId || order.epoch !== epoch) {
        throw refusal("CopyFailed", `the source handed over epoch ${order.epoch} of ${order.migrationId}`);
      }
    } catch (error) {
      this.#channel.destroy(asAgentError(error));
      return this.#stay(error);
    }
    try {
      await this.#resume();
      await this.#channel.send({ type: "Running", migrationId: this.#migrationId, epoch: epoch + 1 });
      await this.#channel.receive(); // the source closes
    } catch (error) {
      if (!this.#channel.gone.aborted) await this.#channel.fail(asAgentError(error));
      this.#stay(error);
    }
  }

  async #resume(): Promise<void> {
    const { clock, guestLock } = this.#context;
    const { uid } = this.#record();
    await guestLock.run(uid, () => resumeTarget(this.#context, this.#migrationId));
    const resumeMilliseconds = Math.round(clock.monotonicMilliseconds() - this.#loadedAt);
    saveMigration(this.#context, { ...this.#record(), measured: { resumeMilliseconds } });
  }

  #stay(error: unknown): void {
    const migration = this.#context.journal.migration(this.#migrationId);
    if (migration?.step !== "Loaded" || migration.settled) return;
    saveMigration(this.#context, { ...migration, settled: true, ...because(asAgentError(error)) });
  }

  #requireStep(step: "Prepared" | "Copying") {
    const migration = this.#record();
    if (migration.step !== step) throw refusal("WrongState", `migration ${migration.id} is ${migration.step}`);
    return migration;
  }

  #record() {
    return requireMigration(this.#context, this.#migrationId, "Target");
  }
}
