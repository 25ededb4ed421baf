import type { AgentLimits } from "../../../src/agent/context.ts";
import type { StateLanding } from "../../../src/agent/protocol/types.ts";
import type { Clock } from "../../../src/api/clock.ts";
import { until } from "../until.ts";
import { AgentUnderTest } from "./agent-under-test.ts";
import { FakeCluster } from "./fake-machine.ts";
import { migrationId, repair, startOrder, uid } from "./operator.ts";

export interface PairOptions {
  landing?: StateLanding;
  clock?: Clock;
  limits?: Partial<AgentLimits>;
}

/** Two agents with a guest on the first, and real TLS between them. */
export class MovingPair {
  readonly cluster = new FakeCluster();
  readonly source: AgentUnderTest;
  readonly target: AgentUnderTest;
  #memory = Buffer.alloc(0);

  constructor({ landing = "RAM", ...options }: PairOptions = {}) {
    this.source = new AgentUnderTest(this.cluster.machine("source", landing), options);
    this.target = new AgentUnderTest(this.cluster.machine("target", landing), options);
  }

  async start(): Promise<void> {
    await Promise.all([this.source.start(), this.target.start()]);
    await this.source.client.start(startOrder);
    this.#memory = Buffer.from(this.source.machine.guests.get(uid)?.memory ?? []);
  }

  async remove(): Promise<void> {
    await Promise.all([this.source.remove(), this.target.remove()]);
  }

  /** The source's report, as soon as it is settled. */
  settled(id = migrationId) {
    return until("the source to settle", async () => {
      const report = await this.source.client.migration(id);
      return report?.settled && report;
    });
  }

  /** Orders what a controller would, until nothing is left to do. */
  async repaired(): Promise<void> {
    await until("the migration to be repaired", () => repair(this.source.client, this.target.client));
  }

  /** True when the one guest that runs has the memory with which it began, byte for byte but for its counter. */
  get isMemoryIntact(): boolean {
    const guests = this.cluster.machines.map((machine) => machine.guests.get(uid));
    const running = guests.find((guest) => guest?.process === "Running");
    return running?.memory?.subarray(4).equals(this.#memory.subarray(4)) ?? false;
  }
}
