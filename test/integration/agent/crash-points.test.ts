import { expect } from "chai";
import type { AgentUnderTest } from "../../support/agent/agent-under-test.ts";
import { MovingPair } from "../../support/agent/moving-pair.ts";
import { migrationId, orderMove, statesAt, uid } from "../../support/agent/operator.ts";
import { until } from "../../support/until.ts";

type Side = "source" | "target";

interface Scenario {
  what: string;
  landing: "RAM" | "Disk";
  /** What happens to the machine while its agent is away. */
  disaster(agent: AgentUnderTest): void;
  /** Whether the guest must run on with its memory, however the crash hit. */
  keepsMemory: boolean;
}

const scenarios: Scenario[] = [
  { what: "the agent is killed", landing: "RAM", disaster: () => {}, keepsMemory: true },
  { what: "the agent and the guest's process are killed", landing: "RAM", disaster: killGuest, keepsMemory: false },
  { what: "the host reboots, state in RAM", landing: "RAM", disaster: reboot, keepsMemory: false },
  { what: "the host reboots, state on disk", landing: "Disk", disaster: reboot, keepsMemory: false },
];

describe("a migration whose agents crash", () => {
  for (const side of ["source", "target"] as const) {
    for (const scenario of scenarios) {
      it(`should never run a guest twice nor lose it when at the ${side} ${scenario.what}, at any point`, async function () {
        this.timeout(120_000);
        let points = 0;
        while (await crashAt(points + 1, side, scenario)) points++;
        expect(points, "points at which it crashed").to.be.greaterThan(15);
      });
    }
  }
});

/** One migration with a crash at the n-th effect of that side's agent. False when the migration was over before. */
async function crashAt(number: number, side: Side, scenario: Scenario): Promise<boolean> {
  const pair = new MovingPair({ landing: scenario.landing });
  try {
    await pair.start();
    const victim = pair[side];
    victim.faults.crashAt(number);
    const ordered = orderMove(pair.source.client, pair.target.client).catch(() => {});
    const point = await Promise.race([victim.faults.crashed, over(ordered, pair)]);
    if (point === undefined) return false;
    await victim.stop();
    await ordered;
    scenario.disaster(victim);
    await victim.start();
    await pair.repaired();
    await checkOutcome(pair, scenario, `point ${number} of the ${side}, ${point}`);
    return true;
  } finally {
    await pair.remove();
  }
}

async function over(ordered: Promise<void>, pair: MovingPair): Promise<undefined> {
  await ordered;
  await until("the end on both sides", async () => {
    const [at, to] = await Promise.all([
      pair.source.client.migration(migrationId).catch(() => undefined),
      pair.target.client.migration(migrationId).catch(() => undefined),
    ]);
    return (at?.settled && to?.settled) || pair.source.faults.isCrashed || pair.target.faults.isCrashed;
  });
  if (pair.source.faults.isCrashed || pair.target.faults.isCrashed) await new Promise(() => {}); // the race is won
}

async function checkOutcome(pair: MovingPair, scenario: Scenario, where: string): Promise<void> {
  expect(pair.cluster.violations, where).to.deep.equal([]);
  const states = [await statesAt(pair.source.client), await statesAt(pair.target.client)].flatMap(Object.values);
  expect(states, `${where}: held by exactly one host`).to.have.length(1);
  const holders = pair.cluster.machines.filter((machine) => machine.guests.has(uid));
  expect(holders, `${where}: files on exactly one host`).to.have.length(1);
  const disk = holders[0]?.guests.get(uid)?.disk.toString();
  expect(disk, `${where}: the disk is there`).to.equal(`disk of ${uid}`);
  const isRunning = pair.cluster.running(uid).length === 1;
  expect(states[0], where).to.be.oneOf(isRunning ? ["Running"] : ["Crashed", "Lost"]);
  if (scenario.keepsMemory) expect(isRunning, `${where}: runs`).to.equal(true);
  if (isRunning) expect(pair.isMemoryIntact, `${where}: memory`).to.equal(true);
}

function killGuest(agent: AgentUnderTest): void {
  agent.machine.killAll();
}

function reboot(agent: AgentUnderTest): void {
  agent.machine.reboot();
}
