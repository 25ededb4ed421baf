import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { sshKeyPair } from "../../hack/testbed/ssh-key-pair.ts";
import { type Sshd, startSshd } from "../../hack/testbed/sshd.ts";
import type { AgentEvent } from "../../src/agent/protocol/types.ts";
import type { HostSettings } from "../../src/hosts/host-agents.ts";
import { HostAgents } from "../../src/hosts/host-agents.ts";
import { rejection } from "../support/rejection.ts";
import { ScriptedAgent } from "../support/scripted-agent.ts";

const timings = { firstRetryMilliseconds: 50, longestRetryMilliseconds: 200 };

describe("host agents through a real sshd", () => {
  let folder: string;
  let sshd: Sshd;
  let agent: ScriptedAgent;
  let agents: HostAgents;
  let events: AgentEvent[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "vacate-sshd-"));
    agent = await new ScriptedAgent().start();
    sshd = await startSshd({ folder });
    agents = new HostAgents({ timings });
    events = [];
    agents.onEvent((_, event) => events.push(event));
  });

  afterEach(async () => {
    await agents.close();
    await sshd.stop();
    await agent.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  function settings(): HostSettings {
    const { address, port, user, hostKey, privateKey } = sshd;
    return { address, port, user, hostKey, privateKey, agentSocket: agent.socketPath };
  }

  /** Resolves once the connection's state, or the reason for its failure, is the wanted one. */
  function until(wanted: string): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        const { state, reason } = agents.connection("a") ?? {};
        if (state !== wanted && reason !== wanted) return;
        stopListening();
        resolve();
      };
      const stopListening = agents.onConnectionChange(check);
      check();
    });
  }

  function nextEvent(type: AgentEvent["type"]): Promise<AgentEvent> {
    return new Promise((resolve) => {
      const stopListening = agents.onEvent((_, event) => {
        if (event.type !== type) return;
        stopListening();
        resolve(event);
      });
    });
  }

  it("should ask the agent and hear its events", async () => {
    agent.answers.set("GET /v1/guests", { body: [{ uid: "vm-1" }] });
    agents.ensure("a", settings());
    expect(agents.connection("a")?.state).to.equal("Connecting");
    await until("Connected");
    expect(await agents.agent("a")?.guests()).to.deep.equal([{ uid: "vm-1" }]);
    const heard = nextEvent("GuestChanged");
    agent.emit({ type: "GuestChanged", uid: "vm-1" });
    expect(await heard).to.deep.equal({ type: "GuestChanged", uid: "vm-1" });
    expect(events.map(({ type }) => type)).to.deep.equal(["Hello", "GuestChanged"]);
  });

  it("should answer a hundred requests at once over the one connection", async () => {
    agent.answers.set("GET /v1/guests", { body: [] });
    agents.ensure("a", settings());
    await until("Connected");
    const answers = await Promise.all(Array.from({ length: 100 }, () => agents.agent("a")?.guests()));
    expect(answers).to.have.lengthOf(100);
    expect(agent.requests).to.have.lengthOf(100);
  });

  it("should fail when sshd is killed, reject what was asked, and connect again once it is back", async () => {
    agent.answers.set("GET /v1/guests", "silence");
    agents.ensure("a", settings());
    await until("Connected");
    const client = agents.agent("a");
    const pending = rejection(client?.guests() ?? Promise.resolve());
    const { port } = sshd;
    await sshd.stop();
    await until("Failed");
    expect(agents.agent("a")).to.equal(undefined);
    expect(await pending).to.include({ name: "HostConnectionError", reason: "ConnectionLost" });
    await until("ConnectionRefused");
    expect(agents.connection("a")?.message).to.contain(`127.0.0.1:${port}`).and.to.contain("is sshd running there?");

    sshd = await startSshd({ folder, port });
    await until("Connected");
    expect(events.map(({ type }) => type)).to.deep.equal(["Hello", "Hello"]);
  });

  it("should say when the agent does not listen, and connect once it does", async () => {
    await agent.stop();
    agents.ensure("a", settings());
    await until("AgentNotListening");
    expect(agents.connection("a")?.message).to.contain(agent.socketPath);
    await agent.start();
    await until("Connected");
  });

  it("should notice that the agent went away though sshd stays", async () => {
    agents.ensure("a", settings());
    await until("Connected");
    await agent.stop();
    await until("AgentNotListening");
    await agent.start();
    await until("Connected");
  });

  it("should open the stream of events again when only that ends", async () => {
    agents.ensure("a", settings());
    await until("Connected");
    const client = agents.agent("a");
    const again = nextEvent("Hello");
    agent.endEventStreams();
    await again;
    expect(agents.agent("a")).to.equal(client);
    expect(agent.listeners).to.equal(1);
  });

  it("should refuse a host that shows another key than the pinned one", async () => {
    const pinned = sshKeyPair().publicKey;
    agents.ensure("a", { ...settings(), hostKey: pinned });
    await until("HostKeyMismatch");
    expect(agents.connection("a")?.message).to.match(/shows the host key SHA256:\S+, but hostKey pins SHA256:\S+;/);
    expect(agent.listeners).to.equal(0);
  });

  it("should say that the host does not accept the identity", async () => {
    agents.ensure("a", { ...settings(), privateKey: sshKeyPair().privateKey });
    await until("IdentityRejected");
    expect(agents.connection("a")?.message).to.contain("authorized_keys");
  });

  it("should connect anew when the settings change, and not when they do not", async () => {
    agents.ensure("a", { ...settings(), hostKey: sshKeyPair().publicKey });
    await until("HostKeyMismatch");
    agents.ensure("a", settings());
    await until("Connected");
    const client = agents.agent("a");
    agents.ensure("a", settings());
    expect(agents.agent("a")).to.equal(client);
  });

  it("should leave no connection behind when the host is removed", async () => {
    agents.ensure("a", settings());
    await until("Connected");
    const gone = agent.allListenersGone();
    agents.remove("a");
    expect(agents.connection("a")).to.equal(undefined);
    await gone;
    expect(agent.listeners).to.equal(0);
  });
});
