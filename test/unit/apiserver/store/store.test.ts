import { chmodSync, existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { KubernetesObject } from "../../../../src/apiserver/resource.ts";
import { openDatabase } from "../../../../src/apiserver/store/database.ts";
import { Store, type StoreEvent, type Write } from "../../../../src/apiserver/store/store.ts";
import { kubernetesObject } from "../../../support/kubernetes-object.ts";
import { rejection } from "../../../support/rejection.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const key = (name: string, namespace = "lab") => ({ resource: "things", namespace, name });
const put =
  (name: string, fields: Record<string, unknown> = {}) =>
  (): Write => ({
    action: "put",
    object: kubernetesObject({ name, namespace: "lab" }, fields),
  });
const remove = (name: string) => (): Write => ({ action: "delete", object: kubernetesObject({ name }) });

describe("Store", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;

  const open = (historyLength?: number) => new Store(openDatabase(directory.path), historyLength);
  const names = (revision: number, after?: { namespace: string; name: string }) =>
    [...store.revisions.list({ resource: "things" }, revision, after)].map((object) => object.metadata.name);

  beforeEach(() => {
    directory = temporaryDirectory();
    store = open();
  });

  afterEach(async () => {
    await store.close();
    directory.remove();
  });

  it("should give every write the next revision and keep it over a restart", async () => {
    const first = await store.write(key("a"), put("a"));
    const second = await store.write(key("b"), put("b"));
    expect([first, second].map((object) => object.metadata.resourceVersion)).to.deep.equal(["1", "2"]);
    await store.close();
    store = open();
    const third = await store.write(key("a"), put("a", { spec: 1 }));
    expect(third.metadata.resourceVersion).to.equal("3");
    expect((await store.get(key("b")))?.metadata.name).to.equal("b");
  });

  it("should decide writes of one turn one after the other", async () => {
    const increment = (current: KubernetesObject | undefined): Write => ({
      action: "put",
      object: kubernetesObject({ name: "a" }, { count: Number(current?.count ?? 0) + 1 }),
    });
    await Promise.all(Array.from({ length: 50 }, () => store.write(key("a"), increment)));
    expect((await store.get(key("a")))?.count).to.equal(50);
  });

  it("should write nothing when the decision throws or keeps", async () => {
    await store.write(key("a"), put("a"));
    const error = await rejection(
      store.write(key("a"), () => {
        throw new Error("refused");
      }),
    );
    expect(error).to.have.property("message", "refused");
    await store.write(key("a"), (current) => ({ action: "keep", object: current as never }));
    expect(store.revision).to.equal(1);
  });

  it("should roll all writes of a commit back when the disk refuses one", async () => {
    await store.write(key("a"), put("a", { spec: 1 }));
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    const outcomes = await Promise.allSettled([
      store.write(key("a"), put("a", { spec: 2 })),
      store.write(key("b"), put("b", cyclic)),
    ]);
    expect(outcomes.map(({ status }) => status)).to.deep.equal(["rejected", "rejected"]);
    expect((await store.get(key("a")))?.spec).to.equal(1);
    expect(store.revision).to.equal(1);
    expect((await store.write(key("c"), put("c"))).metadata.resourceVersion).to.equal("2");
  });

  it("should say that the disk is full, keep what it has, and go on when there is room again", async () => {
    await store.close();
    const database = openDatabase(directory.path);
    store = new Store(database);
    await store.write(key("a"), put("a", { spec: 1 }));
    database.exec("PRAGMA max_page_count = 30");
    const small = Array.from({ length: 5 }, (_, index) => `small-${index}`);
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 100 }, (_, index) =>
        store.write(key(`big-${index}`), put(`big-${index}`, { spec: "x".repeat(10_000) })),
      ),
      ...small.map((name) => store.write(key(name), put(name))),
    ]);
    for (const outcome of outcomes) {
      expect(outcome.status).to.equal("rejected");
      expect((outcome as PromiseRejectedResult).reason).to.include({ code: 500, reason: "InternalError" });
    }
    expect((await store.get(key("a")))?.spec).to.equal(1);
    expect(names(store.revision)).to.deep.equal(["a"]);
    database.exec("PRAGMA max_page_count = 100000");
    expect((await store.write(key("b"), put("b"))).metadata.resourceVersion).to.equal("2");
  });

  it("should list the state of an earlier revision", async () => {
    await store.write(key("a"), put("a"));
    await store.write(key("b"), put("b"));
    await store.write(key("a"), remove("a"));
    await store.write(key("c"), put("c"));
    expect(names(2)).to.deep.equal(["a", "b"]);
    expect(names(3)).to.deep.equal(["b"]);
    expect(names(4)).to.deep.equal(["b", "c"]);
    expect(names(4, { namespace: "lab", name: "b" })).to.deep.equal(["c"]);
    expect(store.revisions.count({ resource: "things" }, 4)).to.equal(2);
  });

  it("should tell what happened after a revision, with the object before", async () => {
    await store.write(key("a"), put("a", { spec: 1 }));
    await store.write(key("a"), put("a", { spec: 2 }));
    await store.write(key("a"), remove("a"));
    await store.write(key("a"), put("a", { spec: 3 }));
    const events = [...store.revisions.eventsAfter({ resource: "things" }, 1)];
    expect(events.map(({ type, revision }) => [type, revision])).to.deep.equal([
      ["MODIFIED", 2],
      ["DELETED", 3],
      ["ADDED", 4],
    ]);
    expect(events[0]?.previous?.spec).to.equal(1);
    expect(events[2]?.previous).to.equal(undefined);
  });

  it("should tell subscribers only after the commit, in order", async () => {
    const seen: StoreEvent[] = [];
    const unsubscribe = store.subscribe("things", (event) => seen.push(event));
    const writes = [store.write(key("a"), put("a")), store.write(key("a"), remove("a"))];
    expect(seen).to.deep.equal([]);
    expect(store.revision).to.equal(0);
    await Promise.all(writes);
    unsubscribe();
    await store.write(key("b"), put("b"));
    expect(seen.map(({ type }) => type)).to.deep.equal(["ADDED", "DELETED"]);
  });

  it("should compact history but no living object", async () => {
    await store.close();
    store = open(10);
    await store.write(key("still"), put("still"));
    await store.write(key("gone"), put("gone"));
    await store.write(key("gone"), remove("gone"));
    for (let count = 0; count < 50; count++) await store.write(key("busy"), put("busy", { count }));
    expect(store.revisions.compacted()).to.be.within(40, 43);
    expect(names(store.revision)).to.deep.equal(["busy", "still"]);
    expect(names(store.revisions.compacted())).to.deep.equal(["busy", "still"]);
    expect([...store.revisions.eventsAfter({ resource: "things" }, 45)]).to.have.length(8);
    expect([...store.revisions.eventsAfter({ resource: "things" }, 0)].length).to.be.at.most(14);
  });

  it("should refuse writes and reads after it was closed", async () => {
    await store.close();
    expect(await rejection(store.write(key("a"), put("a")))).to.have.property("code", 503);
    expect(await rejection(store.get(key("a")))).to.have.property("code", 503);
  });
});

describe("openDatabase", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  it("should refuse a directory that is in use", () => {
    const database = openDatabase(directory.path);
    try {
      const message = `data directory ${directory.path} is in use by another instance`;
      expect(() => openDatabase(directory.path)).to.throw(message);
      expect(() => openDatabase(directory.path)).to.throw(message);
    } finally {
      database.close();
    }
    openDatabase(directory.path).close();
  });

  it("should make a missing directory, private to its owner", () => {
    const path = join(directory.path, "new", "data");
    openDatabase(path).close();
    expect(statSync(path).mode & 0o777).to.equal(0o700);
    expect(statSync(join(path, "objects.db")).mode & 0o777).to.equal(0o600);
  });

  it("should keep its files private in a directory that others may read", () => {
    chmodSync(directory.path, 0o755);
    const database = openDatabase(directory.path);
    try {
      for (const file of ["objects.db", "objects.db-wal"]) {
        expect(statSync(join(directory.path, file)).mode & 0o777, file).to.equal(0o600);
      }
      expect(existsSync(join(directory.path, "objects.db-shm"))).to.equal(false);
    } finally {
      database.close();
    }
  });

  it("should say when the path is no directory", () => {
    const path = join(directory.path, "file");
    writeFileSync(path, "");
    expect(() => openDatabase(path)).to.throw(`data directory ${path} is not a directory`);
    expect(() => openDatabase(join(path, "below"))).to.throw("is not a directory");
  });

  it("should say when the file is no database", () => {
    writeFileSync(join(directory.path, "objects.db"), "x".repeat(5000));
    expect(() => openDatabase(directory.path))
      .to.throw("objects.db is damaged")
      .with.property("reason", "Corrupt");
  });
});
