import { expect } from "chai";
import { namespaces, secrets, type VirtualMachine, virtualMachines, vmHosts } from "../../../src/api/resources.ts";
import { createMetrics, type Metrics } from "../../../src/metrics/metrics.ts";
import { ApiError, isConflict, type WatchEvent } from "../../../src/runtime/client.ts";
import { HttpClient } from "../../../src/runtime/http-client.ts";
import { ConnectionError, type HttpTransportOptions } from "../../../src/runtime/http-transport.ts";
import { InstantClock } from "../../support/instant-clock.ts";
import { rejection } from "../../support/rejection.ts";
import {
  dropConnection,
  json,
  list,
  ScriptedApiServer,
  ScriptedWatch,
  silence,
  status,
} from "../../support/scripted-api-server.ts";
import { vm } from "./objects.ts";

const key = { namespace: "lab", name: "guest-1" };
const path = "/apis/vacate.dev/v1alpha1/namespaces/lab/virtualmachines";

describe("HttpClient", () => {
  let server: ScriptedApiServer;
  let clock: InstantClock;
  let metrics: Metrics;
  let client: HttpClient;

  async function connect(options: Partial<HttpTransportOptions> = {}): Promise<void> {
    await client?.close();
    const connection = options.connection ?? server.connection;
    client = new HttpClient({ connection, clock, metrics, random: () => 0, ...options });
  }

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new InstantClock();
    metrics = createMetrics();
    await connect();
  });

  afterEach(async () => {
    await client.close();
    await server.stop();
  });

  const sent = () => server.requests.map(({ method, path, query }) => [method, path, query] as const);

  it("should ask for what the API expects", async () => {
    server.always("*", json(200, vm()));
    await client.get(virtualMachines, key);
    await client.create(virtualMachines, vm());
    await client.replace(virtualMachines, vm(), { subresource: "status" });
    await client.patch(virtualMachines, key, { spec: { hostName: null } }, { dryRun: true });
    await client.delete(virtualMachines, key, { uid: "uid-1" });
    await client.get(namespaces, { name: "lab" });
    const write = { fieldManager: "vacate", fieldValidation: "Strict" };
    expect(sent()).to.deep.equal([
      ["GET", `${path}/guest-1`, {}],
      ["POST", path, write],
      ["PUT", `${path}/guest-1/status`, write],
      ["PATCH", `${path}/guest-1`, { ...write, dryRun: "All" }],
      ["DELETE", `${path}/guest-1`, {}],
      ["GET", "/api/v1/namespaces/lab", {}],
    ]);
    expect(server.requests[0]?.headers).to.include({ authorization: "Bearer token-1", accept: "application/json" });
    expect(server.requests[3]?.headers["content-type"]).to.equal("application/merge-patch+json");
    expect(server.requests[3]?.body).to.deep.equal({ spec: { hostName: null } });
    expect(server.requests[4]?.body).to.deep.include({ preconditions: { uid: "uid-1" } });
  });

  it("should keep names from becoming paths", async () => {
    server.always("*", json(200, vm()));
    await client.get(vmHosts, { name: "../namespaces/x?y" });
    expect(server.requests[0]?.path).to.equal("/apis/vacate.dev/v1alpha1/vmhosts/..%2Fnamespaces%2Fx%3Fy");
    expect(await rejection(client.get(vmHosts, { name: "" }))).to.be.instanceOf(RangeError);
    expect(await rejection(client.get(virtualMachines, { name: "guest-1" }))).to.be.instanceOf(RangeError);
  });

  it("should list a page, and put back the kind that servers leave out of built-in items", async () => {
    server.next("list", list([{ metadata: { namespace: "lab", name: "one" } }], "7", "more"));
    const page = await client.list(secrets, { namespace: "lab", limit: 1, labelSelector: "a=b" });
    expect(page.items[0]).to.deep.include({ apiVersion: "v1", kind: "Secret" });
    expect([page.resourceVersion, page.continueToken]).to.deep.equal(["7", "more"]);
    expect(sent()[0]).to.deep.equal(["GET", "/api/v1/namespaces/lab/secrets", { labelSelector: "a=b", limit: "1" }]);
  });

  it("should make an ApiError of a Status, and of an answer that is none", async () => {
    server.next("*", status(409, "Conflict"));
    const conflict = await rejection(client.patch(virtualMachines, key, {}));
    expect([isConflict(conflict), conflict.message]).to.deep.equal([true, "scripted 409"]);
    server.next("*", (response) => response.writeHead(403).end("<html>proxy says no"));
    const refused = await rejection(client.patch(virtualMachines, key, {}));
    expect(refused).to.be.instanceOf(ApiError).and.to.include({ code: 403, reason: "Unknown" });
    expect(refused.message).to.include("proxy says no");
  });

  it("should wait as long as a 429 asks, for writes too", async () => {
    server.next("*", status(429, "TooManyRequests", { "retry-after": "3" }));
    server.next("*", status(429, "TooManyRequests"));
    server.next("*", json(201, vm()));
    await client.create(virtualMachines, vm());
    expect(clock.sleptSeconds).to.deep.equal([3, 0.5]);
    expect(server.requests).to.have.length(3);
  });

  it("should give up on 429 after some tries, and at once when asked to wait for very long", async () => {
    server.always("*", status(429, "TooManyRequests"));
    expect(await rejection(client.create(virtualMachines, vm()))).to.have.property("code", 429);
    expect(server.requests).to.have.length(5);
    server.next("*", status(429, "TooManyRequests", { "retry-after": "3600" }));
    const error = await rejection(client.create(virtualMachines, vm()));
    expect(error).to.have.property("retryAfterSeconds", 3600);
    expect(server.requests).to.have.length(6);
  });

  it("should try a read again after 5xx and broken connections, with growing delays", async () => {
    server.next("*", status(500, "InternalError"));
    server.next("*", dropConnection);
    server.next("*", (response) => {
      response.writeHead(200, { "content-length": "1000" }).write('{"half":');
      setImmediate(() => response.destroy());
    });
    server.next("*", json(200, vm()));
    expect((await client.get(virtualMachines, key)).metadata.name).to.equal("guest-1");
    expect(clock.sleptSeconds).to.deep.equal([0.25, 0.5, 1]);
  });

  it("should never send a write twice that the server may have done", async () => {
    server.next("*", status(503, "ServiceUnavailable"));
    expect(await rejection(client.create(virtualMachines, vm()))).to.have.property("code", 503);
    server.next("*", dropConnection);
    const error = await rejection(client.patch(virtualMachines, key, {}));
    expect(error).to.be.instanceOf(ConnectionError);
    expect(error.message).to.match(/^PATCH \/apis\/.*guest-1 of http:\/\/127\.0\.0\.1:\d+: ./);
    expect(server.requests).to.have.length(2);
  });

  it("should renew its identity once when it is refused", async () => {
    server.next("*", status(401, "Unauthorized"));
    server.next("*", json(200, vm()));
    await client.get(virtualMachines, key);
    expect(server.requests[1]?.headers.authorization).to.equal("Bearer token-2");
    server.always("*", status(401, "Unauthorized"));
    expect(await rejection(client.get(virtualMachines, key))).to.have.property("code", 401);
    expect(server.requests).to.have.length(4);
  });

  it("should name the server when nobody listens there", async () => {
    const { connection } = server;
    await server.stop();
    await connect({ connection });
    const error = await rejection(client.get(virtualMachines, key));
    expect(error).to.be.instanceOf(ConnectionError);
    expect(error.message).to.include("ECONNREFUSED").and.to.include(connection.server);
    server = await ScriptedApiServer.start();
  });

  it("should give up on a server that does not answer in time", async () => {
    await connect({ timeoutSeconds: 0.05 });
    server.always("*", silence);
    const error = await rejection(client.create(virtualMachines, vm()));
    expect(error).to.be.instanceOf(ConnectionError);
    expect(error.message).to.match(/timeout/i);
  });

  it("should reject with the signal's reason, before the answer and while it waits to try again", async () => {
    const abort = new AbortController();
    server.next("*", () => abort.abort(new Error("no longer needed")));
    const error = await rejection(client.get(virtualMachines, key, { signal: abort.signal }));
    expect(error.message).to.equal("no longer needed");
    expect((await rejection(client.get(virtualMachines, key, { signal: abort.signal }))).message).to.equal(
      error.message,
    );
    expect(server.requests).to.have.length(1);
  });

  it("should keep to its own rate limit", async () => {
    await connect({ requestsPerSecond: 10, burst: 3 });
    server.always("*", json(200, vm()));
    for (let time = 0; time < 6; time++) await client.get(virtualMachines, key);
    expect(clock.sleptSeconds).to.have.length(3);
    expect(clock.sleptSeconds.reduce((sum, each) => sum + each)).to.be.closeTo(0.3, 1e-6);
    expect((await metrics.clientThrottledSeconds.get()).values[0]?.value).to.be.closeTo(0.3, 1e-6);
  });

  describe("watch", () => {
    let watch: ScriptedWatch;
    let events: AsyncIterator<WatchEvent<VirtualMachine>>;
    let abort: AbortController;

    beforeEach(() => {
      watch = new ScriptedWatch();
      abort = new AbortController();
      server.next("watch", watch.scene);
      const options = { resourceVersion: "5", timeoutSeconds: 300, signal: abort.signal };
      events = client.watch(virtualMachines, options)[Symbol.asyncIterator]();
    });

    it("should give events as they come, bookmarks among them, and end when the server ends it", async () => {
      const first = events.next();
      await watch.send("ADDED", vm({ resourceVersion: "6" }));
      expect((await first).value).to.deep.equal({ type: "ADDED", object: vm({ resourceVersion: "6" }) });
      await watch.send("BOOKMARK", { kind: "VirtualMachine", metadata: { resourceVersion: "9" } });
      expect((await events.next()).value).to.deep.equal({ type: "BOOKMARK", resourceVersion: "9" });
      await watch.end();
      expect(await events.next()).to.deep.equal({ done: true, value: undefined });
      expect(sent()[0]?.[2]).to.deep.equal({
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion: "5",
        timeoutSeconds: "300",
      });
    });

    it("should put together what arrives in pieces, in the middle of a character too", async () => {
      const first = events.next();
      const bytes = Buffer.from(`${JSON.stringify({ type: "ADDED", object: vm({ name: "güest" }) })}\n`);
      const middle = bytes.indexOf("ü") + 1;
      await watch.sendRaw(bytes.subarray(0, middle));
      await watch.sendRaw(bytes.subarray(middle));
      expect((await first).value).to.have.nested.property("object.metadata.name", "güest");
    });

    it("should throw the ApiError of an ERROR event and of a refused watch", async () => {
      const first = rejection(events.next());
      await watch.send("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" });
      expect(await first).to.include({ code: 410, reason: "Expired", message: "too old" });
      server.next("watch", status(403, "Forbidden"));
      const refused = client.watch(virtualMachines, { resourceVersion: "1" })[Symbol.asyncIterator]();
      expect(await rejection(refused.next())).to.have.property("code", 403);
    });

    it("should throw when the connection breaks, or ends within an event, or speaks no JSON", async () => {
      const broken = rejection(events.next());
      await watch.break();
      expect(await broken).to.be.instanceOf(Error);
      for (const [data, message] of [
        ['{"type":"ADDED"', "in the middle"],
        ["<html>\n", "no JSON"],
        ['{"type":"OTHER","object":{}}\n', "OTHER"],
      ] as const) {
        const other = new ScriptedWatch();
        server.next("watch", other.scene);
        const next = client.watch(virtualMachines, { resourceVersion: "1" })[Symbol.asyncIterator]().next();
        await other.opened();
        await other.sendRaw(data);
        await other.end();
        const error = await rejection(next);
        expect(error).to.be.instanceOf(ConnectionError);
        expect(error.message).to.include(message);
      }
    });

    it("should close the connection when it is aborted, with the signal's reason", async () => {
      const first = rejection(events.next());
      await watch.opened();
      abort.abort(new Error("stopping"));
      expect((await first).message).to.equal("stopping");
      await watch.closed();
    });

    it("should close the connection when its reader has had enough", async () => {
      const first = events.next();
      await watch.send("ADDED", vm());
      await first;
      await events.return?.();
      await watch.closed();
    });

    it("should let the server wait when the reader is slow", async () => {
      const first = events.next();
      await watch.send("ADDED", vm());
      await first;
      let written = 0;
      const big = `${JSON.stringify({ type: "MODIFIED", object: vm({ annotations: { big: "x".repeat(1e6) } }) })}\n`;
      const writing = (async () => {
        for (; written < 50; written++) await watch.sendRaw(big);
      })();
      // Socket buffers take some of it; they would take all of it if the client read ahead.
      while (written < 2) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(written).to.be.lessThan(40);
      for (let read = 0; read < 50; read++) await events.next();
      await writing;
      expect(written).to.equal(50);
    });
  });
});
