import { chmodSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { createConnection, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { listenOnUnixSocket, SocketError } from "../../../../src/agent/server/unix-socket.ts";
import { AgentUnderTest } from "../../../support/agent/agent-under-test.ts";
import { FakeCluster } from "../../../support/agent/fake-machine.ts";
import { startOrder, term, uid } from "../../../support/agent/operator.ts";
import { rejection } from "../../../support/rejection.ts";

describe("the agent's control port", () => {
  let agent: AgentUnderTest;
  let session: ClientHttp2Session;

  beforeEach(async () => {
    agent = new AgentUnderTest(new FakeCluster().machine("host-a"));
    await agent.start();
    session = connect("http://agent", { createConnection: () => createConnection(agent.socketPath) });
    session.on("error", () => {}); // seen through the requests
  });

  afterEach(async () => {
    session.destroy();
    await agent.remove();
  });

  async function ask(method: string, path: string, body?: string): Promise<{ status: number; body: string }> {
    const stream = session.request({ ":method": method, ":path": path });
    stream.end(body);
    const status = new Promise<number>((resolve) =>
      stream.on("response", (headers) => resolve(Number(headers[":status"]))),
    );
    let text = "";
    for await (const chunk of stream) text += chunk;
    return { status: await status, body: text };
  }

  it("should open the socket to its owner only", () => {
    expect(lstatSync(agent.socketPath).mode & 0o777).to.equal(0o600);
    expect(lstatSync(join(agent.directory, "run")).mode & 0o777).to.equal(0o700);
    expect(lstatSync(join(agent.directory, "journal.sqlite")).mode & 0o777).to.equal(0o600);
  });

  for (const [what, change, field] of [
    ["an unknown field", { color: "red" }, "color"],
    ["a negative size", { memoryBytes: -1 }, "memoryBytes"],
    ["an absurd number of CPUs", { cpus: 1e9 }, "cpus"],
    ["a uid that is a path", { uid: "../x" }, "uid"],
    ["an epoch that is no integer", { epoch: 1.5 }, "epoch"],
    ["an image that is a path", { image: "../../etc" }, "image"],
  ] as const) {
    it(`should refuse ${what}, naming the field`, async () => {
      const answer = await ask("POST", `/v1/guests/${uid}/start`, JSON.stringify({ ...startOrder, ...change }));
      expect(answer.status).to.equal(400);
      expect(JSON.parse(answer.body).reason).to.equal("InvalidRequest");
      expect(JSON.parse(answer.body).message).to.contain(field);
    });
  }

  it("should refuse an order for another guest than the path names", async () => {
    const answer = await ask("POST", "/v1/guests/vm-9/start", JSON.stringify(startOrder));
    expect(JSON.parse(answer.body)).to.deep.equal({
      reason: "InvalidRequest",
      message: "uid: is vm-1, the path says vm-9",
    });
  });

  it("should refuse what is no JSON, too long, unknown or asked with another method", async () => {
    expect((await ask("PUT", "/v1/holds", "{")).status).to.equal(400);
    expect((await ask("PUT", "/v1/holds", "x".repeat(2 ** 20 + 1))).body).to.contain("at most 1048576");
    expect((await ask("GET", "/v2/host")).status).to.equal(404);
    expect((await ask("DELETE", "/v1/host")).status).to.equal(400);
    expect((await ask("GET", "/v1/guests/%E0%A4%A")).status).to.equal(400);
    expect((await ask("GET", `/v1/guests/${uid}/console?bytes=-1`)).status).to.equal(400);
    expect((await ask("GET", "/v1/guests/nobody")).status).to.equal(404);
  });

  it("should say hello, and then what changes", async () => {
    const abort = new AbortController();
    const events = agent.client.events(abort.signal)[Symbol.asyncIterator]();
    const { bootId } = agent.machine;
    expect((await events.next()).value).to.include({ type: "Hello", bootId });
    await agent.client.start(startOrder);
    expect((await events.next()).value).to.deep.equal({ type: "GuestChanged", uid });
    abort.abort(new Error("enough"));
  });

  it("should carry out an order whose sender went away", async () => {
    const release = agent.driver.hold("boot");
    const stream = session.request({ ":method": "POST", ":path": `/v1/guests/${uid}/start` });
    stream.on("error", () => {}); // it is meant to
    stream.end(JSON.stringify(startOrder));
    while (!agent.driver.calls.includes("boot")) await new Promise((resolve) => setImmediate(resolve));
    session.destroy();
    release();
    expect(await agent.client.start(startOrder)).to.include({ state: "Running" });
    expect(agent.driver.calls.filter((call) => call === "boot")).to.have.length(1);
  });

  it("should show the console's end", async () => {
    await agent.client.start(startOrder);
    expect(await agent.client.console(uid, 4)).to.equal("vm-1");
    expect(await rejection(agent.client.stop({ term, uid: "nobody", graceSeconds: 0 }))).to.include({
      reason: "NotFound",
    });
  });

  it("should refuse a second agent on the same data directory", async () => {
    const second = new AgentUnderTest(agent.machine);
    const error = await rejection(second.startOver(agent.directory));
    expect(error.message).to.contain(agent.directory).and.contain("another agent");
    await second.remove();
  });
});

describe("a Unix socket", () => {
  const directory = mkdtempSync(join(tmpdir(), "vacate-socket-"));
  const path = join(directory, "agent.sock");
  const servers: Server[] = [];

  const listen = async (at = path) => {
    const server = createServer();
    servers.push(server);
    await listenOnUnixSocket(server, at);
    return server;
  };

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
    rmSync(path, { force: true });
  });

  after(() => rmSync(directory, { recursive: true }));

  it("should not be taken from whoever answers on it", async () => {
    await listen();
    expect(await rejection(listen()))
      .to.be.instanceOf(SocketError)
      .with.property("message")
      .that.contains("answers");
  });

  it("should replace what a dead process left", async () => {
    const left = await listen();
    const kept = `${path}.kept`;
    const { linkSync, renameSync } = await import("node:fs");
    linkSync(path, kept);
    await new Promise<void>((resolve) => left.close(() => resolve()));
    renameSync(kept, path);
    await listen();
  });

  it("should not remove a file that is no socket, nor take a path that is too long", async () => {
    writeFileSync(path, "precious");
    chmodSync(path, 0o600);
    expect((await rejection(listen())).message).to.contain("no socket");
    expect(lstatSync(path).size).to.equal(8);
    expect((await rejection(listen(join(directory, "x".repeat(120))))).message).to.contain("107 bytes");
  });
});
