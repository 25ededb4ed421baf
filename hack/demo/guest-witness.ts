import { setTimeout as sleep } from "node:timers/promises";
import { parseGuestConsole } from "../guest/console.ts";
import type { TestHost } from "../testbed/host.ts";
import type { GuestProof } from "./score.ts";

/** Enough for the whole life of a demo's guest: it writes some 60 bytes a second. */
const consoleBytes = 256 * 1024;

/** Reads what guests say on their serial ports, which is the only proof that they went on. */
export class GuestWitness {
  readonly #hosts: TestHost[];

  constructor(hosts: TestHost[]) {
    this.#hosts = hosts;
  }

  /** The counter of each guest now; waits until each has one. */
  async counters(names: string[], signal: AbortSignal): Promise<Map<string, number>> {
    const counters = new Map<string, number>();
    for (;;) {
      for (const name of names) {
        const last = (await this.#console(name, signal))?.lastCounter;
        if (last !== undefined) counters.set(name, last);
      }
      if (counters.size === names.length) return counters;
      await sleep(500, undefined, { signal });
    }
  }

  /** Waits until every counter has gone on from where it was, and looks whether all that a guest checks held. */
  async prove(before: Map<string, number>, signal: AbortSignal): Promise<GuestProof[]> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(60_000)]);
    const proofs: GuestProof[] = [];
    for (const [name, counterBefore] of before) proofs.push(await this.#prove(name, counterBefore, limit));
    return proofs;
  }

  async #prove(name: string, counterBefore: number, signal: AbortSignal): Promise<GuestProof> {
    let counterAfter = counterBefore;
    while (!signal.aborted) {
      const log = await this.#console(name, signal);
      counterAfter = log?.lastCounter ?? counterAfter;
      if (log && !log.sound) return { name, counterBefore, counterAfter, whole: false };
      if (counterAfter > counterBefore) return { name, counterBefore, counterAfter, whole: true };
      await sleep(500, undefined, { signal }).catch(() => {});
    }
    return { name, counterBefore, counterAfter, whole: false };
  }

  /** From the one host that runs it. */
  async #console(name: string, signal: AbortSignal) {
    for (const host of this.#hosts) {
      const text = await host.withAgent(async (agent) => {
        const guest = (await agent.guests(signal)).find((each) => each.name === name && each.state === "Running");
        return guest && agent.console(guest.uid, consoleBytes, signal);
      });
      if (text !== undefined) return parseGuestConsole(text);
    }
    return undefined;
  }
}
