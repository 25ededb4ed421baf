import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningAgent, startAgent } from "../../../src/agent/agent.ts";
import type { AgentLimits } from "../../../src/agent/context.ts";
import type { AgentClient } from "../../../src/agent/protocol/client.ts";
import { type Clock, systemClock } from "../../../src/api/clock.ts";
import { connectLocalAgent, type HttpAgentClient } from "../../../src/hosts/http-agent-client.ts";
import { CrashingJournal } from "./crashing-journal.ts";
import { FakeDriver } from "./fake-driver.ts";
import type { FakeMachine } from "./fake-machine.ts";
import { FaultPoints } from "./fault-points.ts";

/** One machine's agent, that can be crashed and started again over the same journal and the same guests. */
export class AgentUnderTest {
  readonly machine: FakeMachine;
  readonly directory = mkdtempSync(join(tmpdir(), "vacate-agent-"));
  readonly #clock: Clock;
  readonly #limits: Partial<AgentLimits>;
  faults = new FaultPoints();
  driver: FakeDriver;
  #agent: RunningAgent | undefined;
  #connection: HttpAgentClient | undefined;

  constructor(machine: FakeMachine, options: { clock?: Clock; limits?: Partial<AgentLimits> } = {}) {
    this.machine = machine;
    this.#clock = options.clock ?? systemClock;
    this.#limits = { retryMilliseconds: 5, ...options.limits };
    this.driver = new FakeDriver(machine, this.faults);
  }

  get client(): AgentClient {
    if (this.#connection === undefined) throw new Error("the agent is not started");
    return this.#connection;
  }

  get socketPath(): string {
    return join(this.directory, "run", "agent.sock");
  }

  get dataPort(): number {
    if (this.#agent === undefined) throw new Error("the agent is not started");
    return this.#agent.dataPort;
  }

  start(): Promise<void> {
    return this.startOver(this.directory);
  }

  /** @param dataDirectory may be another agent's */
  async startOver(dataDirectory: string): Promise<void> {
    this.faults = new FaultPoints();
    this.driver = new FakeDriver(this.machine, this.faults);
    this.#agent = await startAgent({
      dataDirectory,
      socketPath: this.socketPath,
      dataAddress: "127.0.0.1",
      dataPort: 0,
      driver: this.driver,
      clock: this.#clock,
      bootId: this.machine.bootId,
      limits: this.#limits,
      journal: new CrashingJournal(dataDirectory, this.faults),
    });
    this.#connection = await connectLocalAgent(this.socketPath);
  }

  /** As kill -9 does: nothing of what is under way has any further effect. */
  async crash(): Promise<void> {
    this.faults.crashNow();
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#connection?.close();
    await this.#agent?.close();
    this.#connection = undefined;
    this.#agent = undefined;
  }

  async remove(): Promise<void> {
    await this.crash(); // whatever a test left waiting has no effect any more
    rmSync(this.directory, { recursive: true, force: true });
  }
}
