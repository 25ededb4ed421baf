import { expect } from "chai";
import { AgentError } from "../../../src/agent/protocol/client.ts";
import type { AgentEvent } from "../../../src/agent/protocol/types.ts";
import { connectLocalAgent, type HttpAgentClient } from "../../../src/hosts/http-agent-client.ts";
import { rejection } from "../../support/rejection.ts";
import { ScriptedAgent } from "../../support/scripted-agent.ts";

describe("HttpAgentClient", () => {
  let agent: ScriptedAgent;
  let client: HttpAgentClient;

  beforeEach(async () => {
    agent = await new ScriptedAgent().start();
    client = await connectLocalAgent(agent.socketPath, { quickMilliseconds: 200, slowMilliseconds: 400 });
  });

  afterEach(async () => {
    client.close();
    await agent.remove();
  });

  it("should send each order to its own path and give back the answer", async () => {
    const order = { term: 1, migrationId: "m 1/2", epoch: 3, uid: "vm-1" };
    const report = { id: order.migrationId, step: "Prepared" };
    const base = "POST /v1/migrations/m%201%2F2";
    const calls: [string, () => Promise<unknown>][] = [
      [`${base}/prepare-source`, () => client.prepareSource(order)],
      [`${base}/abort`, () => client.abortMigration(order)],
      [`${base}/discard-target`, () => client.discardTarget(order)],
      [`${base}/resume-target`, () => client.resumeTarget(order)],
      [`${base}/release-source`, () => client.releaseSource(order)],
      [`${base}/surrender-target`, () => client.surrenderTarget(order)],
      [`${base}/reclaim-source`, () => client.reclaimSource(order)],
      ["POST /v1/guests/vm-1/adopt", () => client.adopt({ ...order, newUid: "vm-2" })],
      ["POST /v1/guests/vm-1/stop", () => client.stop({ ...order, graceSeconds: 0 })],
    ];
    for (const [path, call] of calls) {
      agent.answers.set(path, { body: report });
      expect(await call(), path).to.deep.equal(report);
      expect(agent.requests.at(-1)).to.deep.include({ body: { ...order, ...(agent.requests.at(-1)?.body as object) } });
    }
    expect(agent.requests.map(({ method, path }) => `${method} ${path}`)).to.deep.equal(calls.map(([path]) => path));
  });

  it("should take answers without a body where nothing is answered", async () => {
    agent.answers.set("PUT /v1/holds", { status: 204, body: undefined });
    agent.answers.set("POST /v1/migrations/m/forget", { status: 204, body: undefined });
    agent.answers.set("POST /v1/guests/u/discard", { status: 204, body: undefined });
    await client.setHolds({ term: 4, holds: [] });
    await client.forgetMigration({ term: 4, migrationId: "m" });
    await client.discard({ term: 4, uid: "u" });
    expect(agent.requests.map(({ body }) => body)).to.deep.equal([
      { term: 4, holds: [] },
      { term: 4, migrationId: "m" },
      { term: 4, uid: "u" },
    ]);
  });

  it("should give undefined for a guest and a migration that are not there", async () => {
    expect(await client.guest("vm-1")).to.equal(undefined);
    expect(await client.migration("m-1")).to.equal(undefined);
  });

  it("should read the console as text", async () => {
    agent.answers.set("GET /v1/guests/vm-1/console?bytes=100", { text: "tick 1\ntick 2 ü\n" });
    expect(await client.console("vm-1", 100)).to.equal("tick 1\ntick 2 ü\n");
  });

  it("should reject with the agent's own reason when it refuses", async () => {
    const body = { reason: "StaleTerm", message: "term 1 is below 5" };
    agent.answers.set("POST /v1/migrations/m/abort", { status: 409, body });
    const error = await rejection(client.abortMigration({ term: 1, migrationId: "m" }));
    expect(error).to.be.instanceOf(AgentError);
    expect(error).to.include({ ...body, status: 409 });
  });

  it("should name the request when the agent fails without a reason", async () => {
    agent.answers.set("GET /v1/host", { status: 500, body: "oops" });
    expect(await rejection(client.host())).to.include({
      name: "AgentError",
      reason: "Internal",
      message: "host localhost: GET /v1/host: answered 500 without a reason",
    });
  });

  it("should give up after the call's time, and still serve other calls", async () => {
    agent.answers.set("GET /v1/guests", "silence");
    agent.answers.set("GET /v1/host", { body: { agentUuid: "agent-1" } });
    expect(await rejection(client.guests())).to.include({
      reason: "Timeout",
      message: "host localhost: GET /v1/guests: no answer within 0.2 s",
    });
    expect(await client.host()).to.deep.equal({ agentUuid: "agent-1" });
  });

  it("should reject with the signal's reason when aborted, before and meanwhile", async () => {
    agent.answers.set("GET /v1/guests", "silence");
    const abort = new AbortController();
    const pending = rejection(client.guests(abort.signal));
    const why = new Error("shutting down");
    abort.abort(why);
    expect(await pending).to.equal(why);
    expect(await rejection(client.guests(abort.signal))).to.equal(why);
  });

  it("should reject when the connection breaks before, within and after an answer", async () => {
    agent.answers.set("GET /v1/guests", "silence");
    agent.answers.set("GET /v1/host", "break");
    const pending = rejection(client.guests());
    expect(await rejection(client.host())).to.include({ reason: "ConnectionLost" });
    expect(await pending).to.include({ reason: "ConnectionLost" });
    expect(await rejection(client.host())).to.include({ reason: "ConnectionLost" });
  });

  it("should put events together from pieces and end when the agent ends the stream", async () => {
    const heard: AgentEvent[] = [];
    for await (const event of client.events()) {
      heard.push(event);
      if (event.type === "Hello")
        agent.emitPieces(['{"type":"GuestCh', 'anged","uid":"vm-1"}\n\n{"type":"HostChanged"}\n']);
      if (event.type === "HostChanged") agent.endEventStreams();
    }
    expect(heard.slice(1)).to.deep.equal([{ type: "GuestChanged", uid: "vm-1" }, { type: "HostChanged" }]);
  });

  it("should keep listening for longer than a call may take", async () => {
    const events = client.events()[Symbol.asyncIterator]();
    await events.next();
    agent.answers.set("GET /v1/guests", "silence");
    await rejection(client.guests()); // lasts as long as a call may take
    agent.emit({ type: "HostChanged" });
    expect((await events.next()).value).to.deep.equal({ type: "HostChanged" });
    await events.return?.();
  });

  it("should end the stream of events at the agent when nobody listens any more", async () => {
    for await (const event of client.events()) {
      expect(event.type).to.equal("Hello");
      break;
    }
    await agent.allListenersGone();
    expect(agent.listeners).to.equal(0);
  });

  it("should throw when the connection breaks while listening", async () => {
    const events = client.events()[Symbol.asyncIterator]();
    await events.next();
    const next = rejection(events.next());
    await agent.stop();
    expect(await next).to.include({ name: "HostConnectionError", reason: "ConnectionLost" });
  });

  it("should say that no agent listens on the socket", async () => {
    await agent.stop();
    const error = await rejection(connectLocalAgent(agent.socketPath));
    expect(error).to.include({ reason: "AgentNotListening" });
    expect(error.message).to.contain(agent.socketPath);
  });
});
