import { expect } from "chai";
import { systemClock } from "../../src/api/clock.ts";
import { secrets, virtualMachines, vmHosts } from "../../src/api/resources.ts";
import { buildControllers } from "../../src/controllers/build-controllers.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { createLog } from "../../src/runtime/log.ts";
import { Manager } from "../../src/runtime/manager.ts";
import { AgentUnderTest } from "../support/agent/agent-under-test.ts";
import { FakeCluster } from "../support/agent/fake-machine.ts";
import { AgentsAsHosts } from "../support/agents-as-hosts.ts";
import { operatorNamespace, virtualMachine, vmHost } from "../support/controller-bench.ts";
import { FakeClient } from "../support/fake-client.ts";
import { until } from "../support/until.ts";

const key = { namespace: "default", name: "web" };

/** Controllers behind their manager, and real agents with real TLS between them, over machines that watch for a guest that runs twice. */
class Rig {
  readonly cluster = new FakeCluster();
  readonly client = new FakeClient(systemClock);
  readonly agents = new Map<string, AgentUnderTest>();
  readonly hosts = new AgentsAsHosts(this.agents);
  #manager: Manager | undefined;
  #term = 0;

  async start(...hostNames: string[]): Promise<void> {
    const metadata = { name: "identity", namespace: operatorNamespace };
    this.client.seed(secrets, { apiVersion: "v1", kind: "Secret", metadata, data: { "ssh-privatekey": "a2V5" } });
    for (const name of hostNames) {
      const agent = new AgentUnderTest(this.cluster.machine(name));
      this.agents.set(name, agent);
      this.client.seed(vmHosts, vmHost(name, { dataAddress: "127.0.0.1" }));
      await this.startAgent(name);
    }
    await this.startOperator();
  }

  agent(name: string): AgentUnderTest {
    const agent = this.agents.get(name);
    if (!agent) throw new Error(`no agent ${name}`);
    return agent;
  }

  async startAgent(name: string): Promise<void> {
    await this.agent(name).start();
    this.hosts.connect(name);
  }

  async startOperator(): Promise<void> {
    const metrics = createMetrics();
    const { client, hosts } = this;
    this.#manager = new Manager({ client, clock: systemClock, metrics, log: createLog({ level: "silent" }) });
    const options = { manager: this.#manager, client, hosts, clock: systemClock, metrics, term: ++this.#term };
    buildControllers({ ...options, namespace: operatorNamespace });
    await this.#manager.start();
  }

  async stopOperator(): Promise<void> {
    await this.#manager?.stop();
  }

  async stop(): Promise<void> {
    await this.stopOperator();
    for (const agent of this.agents.values()) await agent.remove();
  }

  status() {
    return this.client.peek(virtualMachines, key)?.status;
  }

  uid(): string {
    return this.client.peek(virtualMachines, key)?.metadata.uid ?? "";
  }

  async setHome(hostName: string): Promise<void> {
    await this.client.patch(virtualMachines, key, { spec: { hostName } });
  }

  async runningAt(hostName: string): Promise<void> {
    await until(`the VM to run on ${hostName}`, () => {
      const status = this.status();
      return status?.hostName === hostName && !status.migration && this.cluster.running(this.uid())[0] === hostName;
    });
  }
}

describe("controllers with real agents", function () {
  this.timeout(60_000);
  let rig: Rig;

  beforeEach(async () => {
    rig = new Rig();
    await rig.start("host-a", "host-b");
    await rig.client.create(virtualMachines, virtualMachine("web", { hostName: "host-a" }));
    await rig.runningAt("host-a");
  });

  afterEach(async () => {
    await rig.stop();
    expect(rig.cluster.violations).to.deep.equal([]);
  });

  it("should move a VM there and back, and leave nothing in either journal", async () => {
    await rig.setHome("host-b");
    await rig.runningAt("host-b");
    await rig.setHome("host-a");
    await rig.runningAt("host-a");

    const [back, there] = rig.status()?.migrations ?? [];
    for (const finished of [back, there]) {
      expect(finished?.result).to.equal("Succeeded");
      expect(finished?.measuredMilliseconds).to.have.all.keys("suspend", "copy", "resume", "total");
      expect(finished?.downtimeMilliseconds).to.be.at.most(finished?.measuredMilliseconds?.total ?? 0);
    }
    expect(rig.status()?.grant).to.include({ hostName: "host-a", epoch: 3 });
    for (const name of ["host-a", "host-b"]) {
      await until(`${name} to forget`, async () => (await rig.agent(name).client.migrations()).length === 0);
    }
    expect(await rig.agent("host-b").client.guests()).to.deep.equal([]);
  });

  it("should take a VM back that its target cannot run", async () => {
    rig.agent("host-b").machine.cpuModel = "another";
    await rig.setHome("host-b");
    const finished = await until("the end of the migration", () => rig.status()?.migrations?.[0]);

    expect(finished).to.include({ result: "RolledBack", reason: "Incompatible" });
    expect(rig.cluster.running(rig.uid())).to.deep.equal(["host-a"]);
  });

  it("should start a VM anew that has crashed, and delete it with everything it had", async () => {
    rig.agent("host-a").machine.kill(rig.uid());
    await until("the second epoch", () => rig.status()?.grant?.epoch === 2 && rig.status()?.phase === "Running");
    await rig.client.delete(virtualMachines, key);
    await until("the object to go", () => rig.client.peek(virtualMachines, key) === undefined);

    expect(rig.agent("host-a").machine.guests.size).to.equal(0);
  });

  for (const victim of ["host-a", "host-b"]) {
    for (let point = 3; point < 60; point += 6) {
      it(`should end a migration when the agent of ${victim} is killed at its ${point}th effect`, async () => {
        const agent = rig.agent(victim);
        agent.faults.crashAt(point);
        await rig.setHome("host-b");
        const outcome = await Promise.race([agent.faults.crashed, rig.runningAt("host-b").then(() => "arrived")]);
        if (outcome !== "arrived") {
          await agent.crash();
          await rig.startAgent(victim);
        }
        await until("an end", () => rig.status()?.migrations?.[0] && !rig.status()?.migration);
        const [holder] = rig.cluster.running(rig.uid());

        expect(rig.cluster.running(rig.uid()), outcome).to.have.length(1);
        const { result } = rig.status()?.migrations?.[0] ?? {};
        expect(holder, `${outcome}: ${result}`).to.equal(result === "Succeeded" ? "host-b" : "host-a");
      });
    }
  }

  for (const call of ["suspend", "load", "resume"] as const) {
    it(`should go on with a migration whose operator was killed while the agents ${call}`, async () => {
      const agent = rig.agent(call === "suspend" ? "host-a" : "host-b");
      const release = agent.driver.hold(call);
      await rig.setHome("host-b");
      await until(`the agents to ${call}`, () => agent.driver.calls.includes(call));
      await rig.stopOperator();
      release();
      await rig.startOperator();
      await rig.runningAt("host-b");

      expect(rig.status()?.migrations).to.have.length(1);
    });
  }
});
