import { expect } from "chai";
import fc from "fast-check";
import { createMetrics, type Metrics } from "../../../src/metrics/metrics.ts";
import { WorkQueue } from "../../../src/runtime/work-queue.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { rejection } from "../../support/rejection.ts";

const never = new AbortController().signal;

describe("WorkQueue", () => {
  let clock: FakeClock;
  let metrics: Metrics;
  let queue: WorkQueue;
  beforeEach(() => {
    clock = new FakeClock();
    metrics = createMetrics();
    queue = new WorkQueue({ name: "test", clock, metrics, random: () => 0 });
  });

  async function takeAllReady(): Promise<string[]> {
    const taken: string[] = [];
    while (queue.depth > 0) taken.push(await queue.take(never));
    return taken;
  }

  it("should hand out keys in the order they came, each once", async () => {
    for (const key of ["b", "a", "b", "c", "a"]) queue.add(key);
    expect(await takeAllReady()).to.deep.equal(["b", "a", "c"]);
  });

  it("should give a key that was added while in work only after it is done", async () => {
    queue.add("a");
    await queue.take(never);
    queue.add("a");
    queue.add("a");
    expect(queue.depth).to.equal(0);
    queue.done("a");
    expect(await takeAllReady()).to.deep.equal(["a"]);
  });

  it("should serve takers that wait in their order, and leave out those that gave up", async () => {
    const gaveUp = new AbortController();
    const [first, second, third] = [queue.take(never), queue.take(gaveUp.signal), queue.take(never)];
    gaveUp.abort(new Error("gave up"));
    expect(await rejection(second)).to.have.property("message", "gave up");
    queue.add("a");
    queue.add("b");
    expect(await Promise.all([first, third])).to.deep.equal(["a", "b"]);
  });

  it("should add after the time, the earliest of several wishes", async () => {
    queue.addAfter("a", 60);
    queue.addAfter("a", 10);
    queue.addAfter("a", 30);
    queue.addAfter("b", 20);
    expect(clock.sleeping).to.equal(1);
    await clock.advance(9_999);
    expect(await takeAllReady()).to.deep.equal([]);
    await clock.advance(1);
    expect(await takeAllReady()).to.deep.equal(["a"]);
    queue.done("a");
    await clock.advance(600_000);
    expect(await takeAllReady()).to.deep.equal(["b"]);
  });

  it("should wait thirty days, and less when the wall clock jumps", async () => {
    queue.addAfter("a", 30 * 86_400);
    await clock.advance(29 * 86_400_000);
    expect(queue.depth).to.equal(0);
    clock.jumpTo("2030-02-01T00:00:00Z");
    await clock.advance(60_000);
    expect(await takeAllReady()).to.deep.equal(["a"]);
  });

  it("should drop the time a key waits for when it is taken before", async () => {
    queue.addAfter("a", 60);
    queue.add("a");
    await queue.take(never);
    queue.done("a");
    await clock.advance(120_000);
    expect(queue.depth).to.equal(0);
  });

  it("should refuse a time that is none", () => {
    expect(() => queue.addAfter("a", Number.NaN)).to.throw(RangeError, "NaN s");
    expect(() => queue.addAfter("a", -1)).to.throw(RangeError, "-1 s");
  });

  it("should double the delay of a key that fails, up to a minute, until it is forgotten", () => {
    const delays = Array.from({ length: 12 }, () => queue.addRateLimited("a"));
    expect(delays.slice(0, 4)).to.deep.equal([0.1, 0.2, 0.4, 0.8]);
    expect(delays.at(-1)).to.equal(60);
    expect(queue.addRateLimited("b")).to.equal(0.1);
    queue.forget("a");
    expect(queue.addRateLimited("a")).to.equal(0.1);
  });

  it("should measure what waits and what works", async () => {
    queue.add("a");
    queue.add("b");
    await clock.advance(2_000);
    await queue.take(never);
    await clock.advance(7_000);
    queue.refreshMetrics();
    const during = await metrics.registry.metrics();
    expect(during).to.include('vacate_workqueue_depth{controller="test"} 1');
    expect(during).to.include('vacate_workqueue_adds_total{controller="test"} 2');
    expect(during).to.include('vacate_workqueue_wait_seconds_sum{controller="test"} 2');
    expect(during).to.include('vacate_workqueue_longest_running_seconds{controller="test"} 7');
    queue.done("a");
    queue.refreshMetrics();
    const after = await metrics.registry.metrics();
    expect(after).to.include('vacate_workqueue_work_seconds_sum{controller="test"} 7');
    expect(after).to.include('vacate_workqueue_longest_running_seconds{controller="test"} 0');
  });

  it("should take nothing more once closed, and leave no timer", async () => {
    queue.addAfter("a", 60);
    queue.add("b");
    queue.close();
    queue.add("c");
    await settle();
    expect([queue.depth, clock.sleeping]).to.deep.equal([0, 0]);
  });

  it("should never have a key in work twice and never lose an addition, whatever happens", async () => {
    const step = fc.tuple(fc.constantFrom(...operations), fc.constantFrom("a", "b", "c", "d"));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80, size: "max" }), async (steps) => {
        const model = new QueueModel();
        for (const [operation, key] of steps) await model[operation](key);
        await model.finish();
        expect([...model.owed]).to.deep.equal([]);
      }),
      { numRuns: 200 },
    );
  });
});

const operations = ["add", "addAfter", "addRateLimited", "take", "done", "advance"] as const;

/** A queue next to what is known about it from outside. */
class QueueModel {
  /** Keys that were added and not taken since. */
  readonly owed = new Set<string>();
  readonly #active = new Set<string>();
  readonly #clock = new FakeClock();
  readonly #queue = new WorkQueue({ name: "test", clock: this.#clock, metrics: createMetrics() });

  add(key: string): void {
    this.#queue.add(key);
    this.owed.add(key);
  }

  addAfter(key: string): void {
    this.#queue.addAfter(key, 5);
    this.owed.add(key);
  }

  addRateLimited(key: string): void {
    this.#queue.addRateLimited(key);
    this.owed.add(key);
  }

  async take(): Promise<void> {
    if (this.#queue.depth === 0) return;
    const key = await this.#queue.take(never);
    expect(this.#active.has(key), `${key} in work twice`).to.equal(false);
    expect(this.owed.delete(key), `${key} given without being added`).to.equal(true);
    this.#active.add(key);
  }

  done(key: string): void {
    if (this.#active.delete(key)) this.#queue.done(key);
  }

  async advance(): Promise<void> {
    await this.#clock.advance(3_000);
  }

  async finish(): Promise<void> {
    for (const key of this.#active) this.done(key);
    await this.#clock.advance(3_600_000);
    while (this.#queue.depth > 0) await this.take();
  }
}
