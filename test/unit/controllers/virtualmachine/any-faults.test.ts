import { expect } from "chai";
import fc from "fast-check";
import type { StateLanding } from "../../../../src/agent/protocol/types.ts";
import { transferSteps } from "../../../../src/simulation/simulated-transfer.ts";
import { ControllerBench } from "../../../support/controller-bench.ts";
import type { FakeAgent } from "../../../support/fake-agent.ts";

const hostNames = ["host-a", "host-b", "host-c"];
const landing = fc.constantFrom<StateLanding>("RAM", "Disk");
const hostName = fc.constantFrom(...hostNames);
const orders = fc.constantFrom(
  "start",
  "prepareSource",
  "prepareTarget",
  "beginMigration",
  "abortMigration",
  "discardTarget",
  "resumeTarget",
  "releaseSource",
  "reclaimSource",
  "forgetMigration",
  "guest",
  "migration",
);

/** One thing that happens; `host` is which it happens to. */
const happening = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant("home" as const), host: hostName }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant("step" as const), host: hostName }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("disconnect" as const), host: hostName }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("reconnect" as const), host: hostName }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("restart" as const), host: hostName }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("reboot" as const), host: hostName }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("part" as const), host: hostName }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("crash" as const), host: hostName }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("operator" as const), host: hostName }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("loseAnswer" as const), host: hostName, order: orders }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("refuse" as const), host: hostName, order: orders }) },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

function happen(bench: ControllerBench, event: Happening): Promise<void> | void {
  const agent: FakeAgent = bench.hosts.fake(event.host);
  switch (event.what) {
    case "home":
      return bench.setHome("web", event.host);
    case "step":
      return void bench.hosts.step();
    case "disconnect":
      return agent.disconnect();
    case "reconnect":
      return agent.connected ? undefined : agent.reconnect();
    case "restart":
      return agent.restart();
    case "reboot":
      return agent.reboot();
    case "part":
      return bench.hosts.breakTransfers(agent);
    case "crash": {
      const running = [...agent.held.values()].find((guest) => guest.state === "Running");
      return running && agent.crashGuest(running.uid);
    }
    case "operator":
      return bench.startOperator();
    case "loseAnswer":
      return agent.loseNextAnswer(event.order);
    case "refuse":
      return agent.refuseNext(event.order, "Internal");
  }
}

async function prepared(stateLanding: StateLanding): Promise<ControllerBench> {
  const bench = new ControllerBench();
  for (const name of hostNames) bench.addHost(name, { stateLanding });
  await bench.addVirtualMachine("web", { hostName: "host-a" });
  await bench.advance(1000);
  bench.hosts.automatic = false;
  return bench;
}

/** Nothing but the guest at its home is left anywhere, and status says so. */
function leftToDo(bench: ControllerBench): string[] {
  const { spec, status } = bench.vm("web");
  const home = spec.hostName ?? "";
  const left: string[] = [];
  if (!bench.hosts.running().some((guest) => guest.startsWith(`${home}/`))) left.push(`it does not run on ${home}`);
  if (status?.hostName !== home) left.push(`status says ${status?.hostName}`);
  if (status?.migration) left.push(`migration ${status.migration.id} at ${status.migration.step}`);
  for (const name of hostNames) {
    const { held, reports } = bench.hosts.fake(name);
    if (held.size !== (name === home ? 1 : 0)) left.push(`${name} holds ${held.size}`);
    if (reports.size > 0) left.push(`${name} remembers ${JSON.stringify([...reports.values()])}`);
  }
  return left;
}

async function reconciled(bench: ControllerBench, milliseconds: number): Promise<void> {
  await bench.clock.advance(milliseconds);
  await bench.round();
  await bench.round();
  const running = bench.hosts.running();
  expect(running.length, `runs twice: ${running.join()}`).to.be.at.most(1);
}

/** Every host answers again, and transfers go on. */
async function heal(bench: ControllerBench): Promise<void> {
  for (const name of hostNames) if (!bench.hosts.fake(name).connected) bench.hosts.fake(name).reconnect();
  bench.hosts.automatic = true;
  for (let tries = 0; tries < 100 && leftToDo(bench).length > 0; tries++) {
    while (bench.hosts.step() !== undefined) await bench.round();
    await reconciled(bench, 10_000);
  }
}

describe("virtualmachine controller under any faults", () => {
  it("should never run a VM twice, never lose it, and bring it home once everything works again", async function () {
    this.timeout(600_000);
    const happenings = fc.array(happening, { minLength: 2, maxLength: 20 });
    const scenario = fc.asyncProperty(
      landing,
      fc.nat({ max: transferSteps.length }),
      happenings,
      async (landing, steps, happenings) => {
        const bench = await prepared(landing);
        // Most of what can go wrong, goes wrong in the middle of a migration.
        await bench.setHome("web", "host-b");
        await reconciled(bench, 700);
        for (let step = 0; step < steps; step++) bench.hosts.step();
        let epoch = 0;
        for (const event of happenings) {
          await happen(bench, event);
          await reconciled(bench, 700);
          const granted = bench.vm("web").status?.grant?.epoch ?? 0;
          expect(granted, "the grant's epoch").to.be.at.least(epoch);
          epoch = granted;
        }
        await heal(bench);
        expect(leftToDo(bench)).to.deep.equal([]);
      },
    );
    await fc.assert(scenario, { numRuns: Number(process.env.VACATE_FUZZ_RUNS ?? 25) });
  });
});
