import { expect } from "chai";
import { applyMergePatch } from "../../../../src/apiserver/patch.ts";
import { type WatchRequest, watchObjects } from "../../../../src/apiserver/rest/watch.ts";
import { parseSelectors } from "../../../../src/apiserver/selectors.ts";
import { type ApiFixture, openApiFixture, thingManifest } from "../../../support/api-fixture.ts";
import { rejection } from "../../../support/rejection.ts";

const strict = { dryRun: false, fieldValidation: "Strict" } as const;

describe("watchObjects", () => {
  let api: ApiFixture;
  let seen: string[];
  let stop: AbortController;
  beforeEach(async () => {
    api = await openApiFixture(20);
    seen = [];
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await api.close();
  });

  const create = async (name: string, labels: Record<string, string> = {}, namespace = "lab") =>
    (await api.writer.create(api.things, namespace, thingManifest({ name, labels }), strict)).object;
  const patch = (name: string, change: object) =>
    api.writer.update(
      api.things,
      { namespace: "lab", name },
      undefined,
      (current) => applyMergePatch(current, change),
      {
        ...strict,
        unconditional: true,
      },
    );
  const remove = (name: string) =>
    api.writer.delete(api.things, { namespace: "lab", name }, { dryRun: false, preconditions: {} });

  /** Resolves, once the watch runs, with its end. */
  async function watch(changes: Partial<WatchRequest> = {}): Promise<{ ended: Promise<void> }> {
    const request = {
      resource: api.things,
      namespace: "lab",
      selects: undefined,
      resourceVersion: undefined,
      bookmarks: false,
      timeoutSeconds: 600,
      ...changes,
    };
    const sink = {
      event: ({ type, object }: { type: string; object: { metadata: { name: string } } }) =>
        void seen.push(`${type} ${object.metadata.name}`),
      bookmark: ({ resourceVersion }: { resourceVersion: string }) => void seen.push(`BOOKMARK ${resourceVersion}`),
      error: ({ code, reason }: { code?: number; reason?: string }) => void seen.push(`ERROR ${code} ${reason}`),
    };
    const accepted = Promise.withResolvers<void>();
    const ended = watchObjects(api.store, api.clock, request, sink, stop.signal, accepted.resolve);
    ended.catch(accepted.reject);
    await accepted.promise;
    return { ended };
  }

  it("should begin with what exists and go on with what happens", async () => {
    await create("a");
    await watch();
    await create("b");
    await patch("a", { spec: { size: 2 } });
    await remove("b");
    expect(seen).to.deep.equal(["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"]);
  });

  it("should go on after a resourceVersion without gap or repetition", async () => {
    const { metadata } = await create("a");
    await create("b");
    await remove("a");
    await watch({ resourceVersion: Number(metadata.resourceVersion) });
    await create("c");
    expect(seen).to.deep.equal(["ADDED b", "DELETED a", "ADDED c"]);
  });

  it("should show one namespace only, or all", async () => {
    await watch();
    await create("a", {}, "default");
    expect(seen).to.deep.equal([]);
    await watch({ namespace: undefined });
    await create("b", {}, "default");
    expect(seen).to.deep.equal(["ADDED a", "ADDED b"]);
  });

  for (const way of ["live", "from history"]) {
    it(`should show objects enter and leave a selection (${way})`, async () => {
      const start = Number((await create("first")).metadata.resourceVersion);
      const request = { selects: parseSelectors("app=web", null, []), resourceVersion: start };
      if (way === "live") await watch(request);
      await create("a", { app: "web" });
      await create("b", { app: "db" });
      await patch("b", { metadata: { labels: { app: "web" } } });
      await patch("a", { spec: { size: 2 } });
      await patch("a", { metadata: { labels: { app: null } } });
      await patch("a", { spec: { size: 3 } });
      await remove("a");
      await remove("b");
      if (way !== "live") await watch(request);
      expect(seen).to.deep.equal(["ADDED a", "ADDED b", "MODIFIED a", "DELETED a", "DELETED b"]);
    });
  }

  it("should send an ERROR for a resourceVersion that is compacted, and end", async () => {
    const { metadata } = await create("a");
    for (let count = 0; count < 40; count++) await create(`x${count}`);
    await (await watch({ resourceVersion: Number(metadata.resourceVersion) })).ended;
    expect(seen).to.deep.equal(["ERROR 410 Expired"]);
  });

  it("should refuse a resourceVersion that is yet to come", async () => {
    expect(await rejection(watch({ resourceVersion: 9999 }))).to.have.property("code", 504);
  });

  it("should send a bookmark every 15 seconds to those who want them", async () => {
    const { metadata } = await create("a");
    const { ended } = await watch({
      resourceVersion: Number(metadata.resourceVersion),
      bookmarks: true,
      timeoutSeconds: 40,
    });
    await api.clock.advance(15_000);
    expect(seen).to.deep.equal([`BOOKMARK ${metadata.resourceVersion}`]);
    const second = await create("b");
    await api.clock.advance(25_000);
    await ended;
    const bookmark = `BOOKMARK ${second.metadata.resourceVersion}`;
    expect(seen.slice(1)).to.deep.equal(["ADDED b", bookmark, bookmark]);
  });

  it("should end when its time is over, and see nothing after", async () => {
    const { ended } = await watch({ timeoutSeconds: 5 });
    await api.clock.advance(5_000);
    await ended;
    await create("a");
    expect(seen).to.deep.equal([]);
  });

  it("should end when it is aborted", async () => {
    const { ended } = await watch();
    stop.abort();
    await ended;
    expect(api.clock.sleeping).to.equal(0);
  });
});
