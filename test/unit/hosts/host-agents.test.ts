import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect } from "chai";
import { sshKeyPair } from "../../../hack/testbed/ssh-key-pair.ts";
import { HostAgents, type HostSettings } from "../../../src/hosts/host-agents.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { ScriptedAgent } from "../../support/scripted-agent.ts";
import { ScriptedSshServer } from "../../support/scripted-ssh-server.ts";

describe("HostAgents", () => {
  let clock: FakeClock;
  let agent: ScriptedAgent;
  let server: ScriptedSshServer;
  let agents: HostAgents;

  beforeEach(async () => {
    clock = new FakeClock();
    agent = await new ScriptedAgent().start();
    server = await new ScriptedSshServer().start();
    // Without jitter: every pause is half of its longest.
    agents = new HostAgents({ clock, random: () => 0 });
  });

  afterEach(async () => {
    await agents.close();
    await server.stop();
    await agent.remove();
  });

  function settings(changes: Partial<HostSettings> = {}): HostSettings {
    return {
      address: "127.0.0.1",
      port: server.port,
      user: "vacate",
      hostKey: server.hostKeyPair.publicKey,
      privateKey: sshKeyPair().privateKey,
      agentSocket: agent.socketPath,
      ...changes,
    };
  }

  /** Resolves with the message at the next change to this state or reason. */
  function next(wanted: string, hostName = "a"): Promise<string> {
    return new Promise((resolve) => {
      const stopListening = agents.onConnectionChange((changed, { state, reason, message }) => {
        if (changed !== hostName || (state !== wanted && reason !== wanted)) return;
        stopListening();
        resolve(message ?? "");
      });
    });
  }

  /** Puts the settings in force and resolves with the message once they led to this state or reason. */
  function ensureUntil(wanted: string, changes: Partial<HostSettings> = {}): Promise<string> {
    const reached = next(wanted);
    agents.ensure("a", settings(changes));
    return reached;
  }

  describe("when a host cannot be reached", () => {
    it("should name both fingerprints when the host's key is another", async () => {
      const pinned = sshKeyPair().publicKey;
      const message = await ensureUntil("HostKeyMismatch", { hostKey: pinned });
      expect(message.match(/SHA256:[A-Za-z0-9+/]{43}/g)).to.have.lengthOf(2);
      expect(message).to.contain(`vacate@127.0.0.1:${server.port}`);
    });

    it("should not send its identity to a host with another key", async () => {
      await ensureUntil("HostKeyMismatch", { hostKey: sshKeyPair().publicKey });
      expect(server.connections).to.equal(1);
      expect(server.logins).to.equal(0);
    });

    it("should say that the identity is rejected", async () => {
      server.letsIn = false;
      expect(await ensureUntil("IdentityRejected")).to.contain("user vacate");
    });

    it("should say that the server does not forward", async () => {
      server.forwards = false;
      expect(await ensureUntil("AgentNotListening")).to.contain("AllowStreamLocalForwarding");
    });

    it("should say that nothing listens on the port", async () => {
      const { port } = server;
      await server.stop();
      expect(await ensureUntil("ConnectionRefused", { port })).to.contain(`nothing listens on port ${port}`);
      await server.start();
    });

    it("should say that a name does not resolve", async () => {
      const message = await ensureUntil("AddressUnreachable", { address: "no-such-host.invalid" });
      expect(message).to.contain("no-such-host.invalid");
    });

    it("should give up on a server that never speaks", async () => {
      const silent = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
      await once(silent, "listening");
      const { port } = silent.address() as AddressInfo;
      agents = new HostAgents({ clock, timings: { readyMilliseconds: 300 } });
      expect(await ensureUntil("Timeout", { port })).to.contain("no SSH session within 0.3 s");
      silent.close();
    });

    it("should say that the peer is no SSH server", async () => {
      const web = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, "127.0.0.1");
      await once(web, "listening");
      const { port } = web.address() as AddressInfo;
      await ensureUntil("HandshakeFailed", { port });
      web.close();
    });

    it("should not try again with settings that can never work, and not repeat a secret", async () => {
      const message = await ensureUntil("InvalidIdentity", { privateKey: "hunter2" });
      expect(message).not.to.contain("hunter2");
      await clock.advance(3600_000);
      expect(server.connections).to.equal(0);
      await ensureUntil("InvalidHostKey", { hostKey: "ssh-ed25519 nonsense" });
      await ensureUntil("Connected");
    });
  });

  it("should try again after growing pauses, and connect once the cause is gone", async () => {
    server.forwards = false;
    await ensureUntil("AgentNotListening");
    await untilAsleep();
    for (const pause of [250, 500, 1000]) {
      const { connections } = server;
      await clock.advance(pause - 1);
      expect(server.connections).to.equal(connections);
      const refused = once(server.attempts, "refused");
      await clock.advance(1);
      await refused;
      await untilAsleep();
    }
    server.forwards = true;
    const connected = next("Connected");
    await clock.advance(2000);
    await connected;
    expect(agents.connection("a")).to.deep.equal({ state: "Connected" });
  });

  it("should connect again when the connection is dropped, with the first pause", async () => {
    await ensureUntil("Connected");
    const failed = next("ConnectionLost");
    server.drop();
    await failed;
    expect(agents.agent("a")).to.equal(undefined);
    const connected = next("Connected");
    await untilAsleep();
    await clock.advance(250);
    await connected;
    expect(server.connections).to.equal(2);
  });

  it("should notice an agent that hangs though its SSH server answers", async () => {
    await ensureUntil("Connected");
    agent.freeze();
    const failed = next("Timeout");
    await clock.advance(30_000);
    expect(await failed).to.contain("does `vacate agent` hang?");
  });

  it("should keep one connection for each host and tell them apart", async () => {
    agents.ensure("a", settings());
    const heard: string[] = [];
    agents.onEvent((hostName, event) => heard.push(`${hostName} ${event.type}`));
    const both = Promise.all([next("Connected", "a"), next("Connected", "b")]);
    agents.ensure("b", settings());
    agents.ensure("b", settings());
    await both;
    agents.remove("b");
    expect(heard).to.have.members(["a Hello", "b Hello"]);
    expect(agents.connection("a")?.state).to.equal("Connected");
    expect(agents.connection("b")).to.equal(undefined);
  });

  it("should say nothing of a host any more once it is removed", async () => {
    await ensureUntil("Connected");
    let changes = 0;
    agents.onConnectionChange(() => changes++);
    agents.remove("a");
    await agents.close();
    expect(changes).to.equal(0);
  });

  it("should end at once while it connects and while it waits", async () => {
    agents.ensure("a", settings());
    server.forwards = false;
    const failed = next("AgentNotListening", "b");
    agents.ensure("b", settings());
    await failed;
    await agents.close();
    expect(clock.sleeping).to.equal(0);
  });

  async function untilAsleep(): Promise<void> {
    while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve));
  }
});
