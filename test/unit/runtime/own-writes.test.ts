import { expect } from "chai";
import fc from "fast-check";
import { OwnWrites } from "../../../src/runtime/own-writes.ts";

const key = "lab/guest-1";
const operations = ["start", "read", "writeStatus", "othersWrite", "deliverOne", "deliverAll", "finish"] as const;

/** One object on a server, its events on their way, and a controller that writes its status. */
class Model {
  readonly #own = new OwnWrites();
  /** Whether each version, from 1 on, was made by the controller's status write; the first was not. */
  readonly #isOwn = [false, false];
  #delivered = 1;
  /** The version the reconcile knows, and writes on. */
  #known = 1;
  #active = false;
  #othersDeferred = false;

  get #latest(): number {
    return this.#isOwn.length - 1;
  }

  start(): void {
    if (this.#active) return;
    this.#active = true;
    this.#known = this.#delivered;
    this.#own.start(key);
  }

  /** A reconcile asks the server instead of the cache. */
  read(): void {
    this.#known = this.#latest;
  }

  writeStatus(): void {
    // A write on an old version is a conflict.
    if (!this.#active || this.#known !== this.#latest) return;
    this.#isOwn.push(true);
    this.#own.wrote(key, String(this.#known), String(this.#latest));
    this.#known = this.#latest;
  }

  othersWrite(): void {
    this.#isOwn.push(false);
  }

  deliverOne(): void {
    if (this.#delivered < this.#latest) this.#deliver(this.#delivered + 1);
  }

  /** What a list after a gap does. */
  deliverAll(): void {
    if (this.#delivered < this.#latest) this.#deliver(this.#latest);
  }

  finish(): void {
    if (!this.#active) return;
    this.#active = false;
    expect(this.#own.finish(key), "news at the end of a reconcile").to.equal(this.#othersDeferred);
    this.#othersDeferred = false;
  }

  #deliver(version: number): void {
    const others = this.#isOwn.slice(this.#delivered + 1, version + 1).includes(false);
    const step = { before: String(this.#delivered), after: String(version) };
    this.#delivered = version;
    const news = this.#own.isNews(key, step);
    if (this.#active) this.#othersDeferred ||= others;
    else expect(news, `news at version ${version}`).to.equal(others);
  }
}

describe("OwnWrites", () => {
  it("should tell every change of others and no echo, in whatever order things happen", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...operations), { maxLength: 60, size: "max" }), (steps) => {
        const model = new Model();
        for (const step of steps) model[step]();
        model.deliverAll();
        model.finish();
      }),
      { numRuns: 3000 },
    );
  });

  it("should take nothing for an echo once the object was deleted", () => {
    const own = new OwnWrites();
    own.start(key);
    own.wrote(key, "1", "2");
    own.finish(key);
    expect(own.isNews(key, { before: "5", after: undefined })).to.equal(true);
    expect(own.isNews(key, { before: undefined, after: "7" })).to.equal(true);
    expect(own.isNews(key, { before: "1", after: "2" })).to.equal(true);
  });
});
