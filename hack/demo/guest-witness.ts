import { setTimeout as sleep } from "node:timers/promises";
import { type GuestConsole, readGuestConsole } from "../guest/console.ts";
import type { TestHost } from "../testbed/host.ts";
import type { GuestProof } from "./score.ts";

/** Enough for the whole life of a test's guest, which writes some 100 bytes a second. */
const consoleBytes = 256 * 1024;

/** What a guest had said at one moment, to be held against what it says later. */
export interface Testimony {
  counter: number;
  /** Made anew by every boot: another one later means that the guest was started again. */
  boot: string;
}

/** Reads what guests say on their serial ports, which is the only proof that they went on. */
export class GuestWitness {
  readonly #hosts: TestHost[];

  constructor(hosts: TestHost[]) {
    this.#hosts = hosts;
  }

  /** What each guest says now; waits until each has counted once. */
  async testimonies(names: string[], signal: AbortSignal): Promise<Map<string, Testimony>> {
    const found = new Map<string, Testimony>();
    for (;;) {
      for (const name of names) {
        const log = await this.#console(name, signal);
        const boot = log?.boots.at(-1);
        if (log && boot !== undefined) found.set(name, { counter: log.lastCounter, boot });
      }
      if (found.size === names.length) return found;
      await sleep(500, undefined, { signal });
    }
  }

  /** Waits until every counter has gone on from where it was, and looks whether all that a guest checks held. */
  async prove(before: Map<string, Testimony>, signal: AbortSignal): Promise<GuestProof[]> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(60_000)]);
    const proofs: GuestProof[] = [];
    for (const [name, testimony] of before) proofs.push(await this.#prove(name, testimony, limit));
    return proofs;
  }

  async #prove(name: string, before: Testimony, limit: AbortSignal): Promise<GuestProof> {
    let counterAfter = before.counter;
    for (;;) {
      const log = await this.#console(name, limit).catch(() => undefined);
      counterAfter = log?.lastCounter ?? counterAfter;
      const fault = faultOf(log, before);
      const wentOn = counterAfter > before.counter;
      if (fault === undefined && !wentOn && !limit.aborted) {
        await sleep(500, undefined, { signal: limit }).catch(() => {});
        continue;
      }
      const finding = fault ?? (wentOn ? "went on, memory and disk whole" : "stands still");
      return { name, counterBefore: before.counter, counterAfter, whole: fault === undefined && wentOn, finding };
    }
  }

  /** From the host that runs it. */
  async #console(name: string, signal: AbortSignal): Promise<GuestConsole | undefined> {
    for (const host of this.#hosts) {
      const text = await host.withAgent(async (agent) => {
        const guest = (await agent.guests(signal)).find((each) => each.name === name && each.state === "Running");
        return guest && agent.console(guest.uid, consoleBytes, signal);
      });
      if (text !== undefined) return readGuestConsole(text);
    }
    return undefined;
  }
}

function faultOf(log: GuestConsole | undefined, before: Testimony): string | undefined {
  if (!log) return undefined;
  if (log.complaints.length > 0) return log.complaints[0];
  if (log.wentBackwards) return "its counter went back";
  // Just arrived, it may not have said anything here yet.
  const boot = log.boots.at(-1);
  return boot === undefined || boot === before.boot ? undefined : "it was started again";
}
