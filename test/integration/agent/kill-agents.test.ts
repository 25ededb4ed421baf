import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect } from "chai";
import { connectLocalAgent, type HttpAgentClient } from "../../../src/hosts/http-agent-client.ts";
import { orderMove, repair, startOrder, term } from "../../support/agent/operator.ts";
import { until } from "../../support/until.ts";

const rounds = 12;
const main = new URL("../../../src/cli/main.ts", import.meta.url).pathname;

/** A real agent process with the simulated driver, which is killed without warning. */
class AgentProcess {
  readonly #directory = mkdtempSync(join(tmpdir(), "vacate-kill-"));
  #process: ChildProcess | undefined;
  #client: HttpAgentClient | undefined;

  get client(): HttpAgentClient {
    if (this.#client === undefined) throw new Error("the agent is not started");
    return this.#client;
  }

  async start(): Promise<void> {
    const folders = ["--data-dir", join(this.#directory, "data"), "--run-dir", join(this.#directory, "run")];
    const command = [main, "agent", "--driver", "Simulated", "--speed", "4", "--log-level", "error", ...folders];
    const started = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = started;
    const ready = await Promise.race([once(started.stdout, "data"), once(started, "exit").then(() => undefined)]);
    if (ready === undefined) throw new Error("the agent ended before it was ready");
    this.#client = await connectLocalAgent(join(this.#directory, "run", "agent.sock"));
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill(signal);
    await exited;
  }

  async remove(): Promise<void> {
    this.#client?.close();
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

describe("real agents that are killed in the middle of migrations", () => {
  const agents = [new AgentProcess(), new AgentProcess()] as const;

  after(() => Promise.all(agents.map((agent) => agent.remove())));

  it("should end every round with the guest running on exactly one of them", async function () {
    this.timeout(180_000);
    await Promise.all(agents.map((agent) => agent.start()));
    await agents[0].client.start({ ...startOrder, memoryBytes: 64 * 2 ** 20, image: "counter" });
    const outcomes = { moved: 0, stayed: 0 };
    for (let round = 0; round < rounds; round++) {
      const before = await whereRunning(agents);
      const [source, target] = before.index === 0 ? agents : [agents[1], agents[0]];
      const id = `round-${round}`;
      const ordered = orderMove(source.client, target.client, { id, epoch: before.epoch }).catch(() => {});
      await pause((round / rounds) * 700); // spread over the migration's time
      const victim = round % 2 === 0 ? source : target;
      await victim.kill();
      await ordered;
      await victim.start();
      await until(`the end of ${id}`, () => repairAll(source, target, id), 30);
      const after = await whereRunning(agents);
      expect(after.epoch).to.be.at.least(before.epoch);
      if (after.index === before.index) outcomes.stayed++;
      else outcomes.moved++;
      for (const agent of agents) await forget(agent.client, id);
    }
    expect(outcomes.moved + outcomes.stayed).to.equal(rounds);
    expect(outcomes.stayed, "rounds in which the kill came early enough to matter").to.be.greaterThan(0);
  });
});

async function repairAll(source: AgentProcess, target: AgentProcess, id: string): Promise<boolean> {
  const isDone = await repair(source.client, target.client, id);
  return isDone || (await source.client.migration(id)) === undefined;
}

/** Fails unless exactly one agent holds the guest, running. */
async function whereRunning(agents: readonly AgentProcess[]): Promise<{ index: number; epoch: number }> {
  const held = (await Promise.all(agents.map((agent) => agent.client.guests()))).flatMap((guests, index) =>
    guests.map(({ epoch, state }) => ({ index, epoch, state })),
  );
  expect(held, JSON.stringify(held)).to.have.length(1);
  const [guest] = held;
  if (guest === undefined) throw new Error("nobody holds it");
  expect(guest.state).to.equal("Running");
  return guest;
}

async function forget(client: HttpAgentClient, id: string): Promise<void> {
  if (await client.migration(id)) await client.forgetMigration({ term, migrationId: id });
}
