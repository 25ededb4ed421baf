import { expect } from "chai";
import { type VirtualMachine, virtualMachines } from "../../../src/api/resources.ts";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { HttpClient } from "../../../src/runtime/http-client.ts";
import { createLog } from "../../../src/runtime/log.ts";
import { Reflector } from "../../../src/runtime/reflector.ts";
import { InstantClock } from "../../support/instant-clock.ts";
import {
  dropConnection,
  list,
  ScriptedApiServer,
  ScriptedWatch,
  silence,
  status,
} from "../../support/scripted-api-server.ts";
import { vm } from "./objects.ts";

/** Time stands still on this clock except for waits of the reflector and client between their tries. */
class RetryClock extends InstantClock {
  override async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (milliseconds < 100_000) return super.sleep(milliseconds, signal);
    // The guard of a watch: it is aborted when the watch ends.
    await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  }
}

describe("Reflector over HTTP", () => {
  let server: ScriptedApiServer;
  let client: HttpClient;
  let clock: RetryClock;
  let reflector: Reflector<VirtualMachine>;
  let changes: string[];
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new RetryClock();
    const metrics = createMetrics();
    const options = { connection: server.connection, clock, metrics, timeoutSeconds: 0.2, random: () => 0 };
    client = new HttpClient(options);
    const log = createLog({ level: "silent" });
    reflector = new Reflector({ client, resource: virtualMachines, clock, log, metrics, random: () => 0 });
    changes = [];
    reflector.onChange(({ type, object }) => changes.push(`${type} ${object.metadata.name} ${object.metadata.uid}`));
    stop = new AbortController();
  });

  afterEach(async () => {
    stop.abort();
    await running;
    await client.close();
    await server.stop();
  });

  function start(): void {
    running = reflector.run(stop.signal);
  }

  /** Lets the server take a watch next. */
  function nextWatch(): ScriptedWatch {
    const watch = new ScriptedWatch();
    server.next("watch", watch.scene);
    return watch;
  }

  const object = (uid: string, resourceVersion: string, name = "guest-1") => vm({ uid, resourceVersion, name });
  const watchedFrom = () =>
    server.requests.filter(({ query }) => query.watch).map(({ query }) => query.resourceVersion);
  const listed = () => server.requests.filter(({ query }) => query.watch === undefined).length;

  it("should resume a broken watch after the last event or bookmark, without a list", async () => {
    server.next("list", list([object("uid-1", "4")], "5"));
    const [first, second, third] = [nextWatch(), nextWatch(), nextWatch()];
    start();
    await first.opened();
    await first.send("MODIFIED", object("uid-1", "7"));
    await first.break();
    await second.opened();
    await second.send("BOOKMARK", { metadata: { resourceVersion: "90" } });
    await second.end();
    await third.opened();
    expect(watchedFrom()).to.deep.equal(["5", "7", "90"]);
    expect(listed()).to.equal(1);
    expect(changes).to.deep.equal(["added guest-1 uid-1", "changed guest-1 uid-1"]);
  });

  it("should list again after 410, as an answer and as an event, and see what came and went meanwhile", async () => {
    server.next("list", list([object("uid-1", "4"), object("uid-2", "5", "guest-2")], "5"));
    server.next("watch", status(410, "Expired"));
    server.next("list", list([object("uid-3", "9")], "9"));
    const second = nextWatch();
    start();
    await second.opened();
    expect(changes.slice(2)).to.deep.equal(["deleted guest-2 uid-2", "deleted guest-1 uid-1", "added guest-1 uid-3"]);
    server.next("list", list([object("uid-3", "9")], "20"));
    const third = nextWatch();
    await second.send("ERROR", { kind: "Status", code: 410, reason: "Expired" });
    await third.opened();
    expect(watchedFrom()).to.deep.equal(["5", "9", "20"]);
    expect(changes).to.have.length(5);
  });

  it("should get through 429, 5xx, silence and broken connections while it lists", async () => {
    server.next("list", status(429, "TooManyRequests", { "retry-after": "2" }));
    server.next("list", status(500, "InternalError"));
    server.next("list", dropConnection);
    server.next("list", silence);
    server.next("list", status(503, "ServiceUnavailable"));
    server.next("list", status(403, "Forbidden"));
    server.next("list", list([object("uid-1", "4")], "5"));
    const watch = nextWatch();
    start();
    await reflector.synced;
    await watch.opened();
    expect(listed()).to.equal(7);
    expect(clock.sleptSeconds[0]).to.equal(2);
  });

  it("should get through failures while it watches, without a list", async () => {
    server.next("list", list([object("uid-1", "4")], "5"));
    server.next("watch", status(500, "InternalError"));
    server.next("watch", dropConnection);
    server.next("watch", status(429, "TooManyRequests"));
    const garbled = nextWatch();
    const [good, last] = [nextWatch(), nextWatch()];
    start();
    await garbled.opened();
    await garbled.sendRaw('{"type":"MODIFIED","obj');
    await garbled.end();
    await good.opened();
    await good.send("DELETED", object("uid-1", "8"));
    await good.send("ADDED", object("uid-2", "9"));
    await good.break();
    await last.opened();
    expect(watchedFrom()).to.deep.equal(["5", "5", "5", "5", "5", "9"]);
    expect(listed()).to.equal(1);
    expect(changes).to.deep.equal(["added guest-1 uid-1", "deleted guest-1 uid-1", "added guest-1 uid-2"]);
  });

  it("should stop at once in the middle of a watch", async () => {
    server.next("list", list([], "5"));
    const watch = nextWatch();
    start();
    await watch.opened();
    stop.abort();
    await running;
    await watch.closed();
  });
});
