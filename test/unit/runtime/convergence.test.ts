import { expect } from "chai";
import fc from "fast-check";
import { virtualMachines } from "../../../src/api/resources.ts";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { ApiError, isAlreadyExists, isNotFound } from "../../../src/runtime/client.ts";
import { createLog } from "../../../src/runtime/log.ts";
import { Manager } from "../../../src/runtime/manager.ts";
import { patchStatus } from "../../../src/runtime/status-patch.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { vm } from "./objects.ts";

const log = createLog({ level: "silent" });
const serverError = () => new ApiError(500, "InternalError", "broken");

/** A controller that writes every VM's home into its phase, on a server that people and faults change meanwhile. */
class Cluster {
  readonly #clock = new FakeClock();
  readonly #client = new FakeClient(this.#clock);
  readonly #manager = new Manager({ client: this.#client, clock: this.#clock, log, metrics: createMetrics() });
  readonly #active = new Set<string>();
  #homes = 0;

  async start(): Promise<void> {
    const vms = this.#manager.cache(virtualMachines);
    this.#manager.addController({
      name: "test",
      resource: virtualMachines,
      workers: 2,
      reconcile: async (key, context) => {
        expect(this.#active.has(key.name), "one key twice at once").to.equal(false);
        this.#active.add(key.name);
        try {
          const object = vms.get(key);
          if (object === undefined) return {};
          await this.#clock.sleep(50, context.signal);
          await patchStatus(this.#client, virtualMachines, object, { phase: `On ${object.spec.hostName}` }, context);
          await this.#clock.sleep(50, context.signal);
          return {};
        } finally {
          this.#active.delete(key.name);
        }
      },
    });
    await this.#manager.start();
  }

  async create(name: string): Promise<void> {
    const creation = this.#client.create(virtualMachines, vm({ name }, { hostName: `host-${++this.#homes}` }));
    await creation.catch((error) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }

  async move(name: string): Promise<void> {
    await this.#patch(name, { spec: { hostName: `host-${++this.#homes}` } });
  }

  /** Someone else's write of status: to be put right. */
  async spoil(name: string): Promise<void> {
    await this.#patch(name, { status: { phase: "Spoiled" } }, { subresource: "status" });
  }

  async delete(name: string): Promise<void> {
    await this.#client.delete(virtualMachines, { namespace: "lab", name }).catch((error) => {
      if (!isNotFound(error)) throw error;
    });
  }

  breakWatches(): void {
    this.#client.endWatches(new Error("connection reset"));
  }

  endWatches(): void {
    this.#client.endWatches();
  }

  compact(): void {
    this.#client.compact();
  }

  failList(): void {
    this.#client.failNext("list", virtualMachines, serverError());
  }

  failWatch(): void {
    this.#client.failNext("watch", virtualMachines, serverError());
  }

  failPatch(): void {
    this.#client.failNext("patch", virtualMachines, serverError());
  }

  async pass(): Promise<void> {
    await this.#clock.advance(30);
  }

  async passLonger(): Promise<void> {
    await this.#clock.advance(700);
  }

  async settle(): Promise<void> {
    // Longer than the longest backoffs of queue and reflector, for as many faults as may be left.
    await this.#clock.advance(3_600_000);
    const wrong = this.#client.peekAll(virtualMachines).filter((object) => {
      return object.status?.phase !== `On ${object.spec.hostName}`;
    });
    expect(wrong, "objects that were not put right").to.deep.equal([]);
    expect(this.#manager.cache(virtualMachines).list()).to.deep.equal(this.#client.peekAll(virtualMachines));
  }

  async stop(): Promise<void> {
    await this.#manager.stop();
    expect(this.#clock.sleeping, "timers left").to.equal(0);
  }

  async #patch(name: string, patch: object, options = {}): Promise<void> {
    const key = { namespace: "lab", name };
    await this.#client.patch(virtualMachines, key, { ...patch }, options).catch((error) => {
      if (!isNotFound(error) && error.code !== 500) throw error;
    });
  }
}

const operations = [
  ...(["create", "create", "move", "move", "spoil", "delete", "pass", "pass", "passLonger", "passLonger"] as const),
  ...(["breakWatches", "endWatches", "compact", "failList", "failWatch", "failPatch"] as const),
] as const;

describe("the runtime as a whole", function () {
  this.timeout(30_000);

  it("should put every object right in the end, whatever happens in whatever order", async () => {
    const step = fc.tuple(fc.constantFrom(...operations), fc.constantFrom("a", "b", "c"));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: "max" }), async (steps) => {
        const cluster = new Cluster();
        await cluster.start();
        try {
          for (const [operation, name] of steps) await cluster[operation](name);
          await cluster.settle();
        } finally {
          await cluster.stop();
        }
      }),
      { numRuns: 150 },
    );
  });
});
