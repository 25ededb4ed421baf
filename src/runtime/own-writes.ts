/** One step of an object's versions; undefined on either side: it was added or deleted. */
interface Step {
  before: string | undefined;
  after: string | undefined;
}

interface Entry {
  /** Status writes of our own whose event has not come yet, by the version they were made on. */
  expected: Map<string, string>;
  /** Events that came while the key was in work: the answer to our own write may still be on its way. */
  deferred: Step[];
  active: boolean;
}

const mostExpected = 100;

/**
 * Tells the echoes of a controller's own status writes from news. Level-triggering must not lose anything, so an event
 * is an echo only when it goes from exactly the version a write was made on to exactly the version it (or a chain of
 * such writes) made: whatever anyone else did, before, in between or after, is another step.
 */
export class OwnWrites {
  readonly #entries = new Map<string, Entry>();

  /** A reconcile of the key starts. */
  start(key: string): void {
    this.#entry(key).active = true;
  }

  /** A reconcile wrote status. */
  wrote(key: string, before: string | undefined, after: string | undefined): void {
    if (before === undefined || after === undefined || before === after) return;
    const { expected } = this.#entry(key);
    expected.set(before, after);
    // A gap can hide an echo between changes of others for ever; forgetting one costs a reconcile, no more.
    const oldest = expected.keys().next();
    if (expected.size > mostExpected && !oldest.done) expected.delete(oldest.value);
  }

  /** Whether the event of this step is news that must be reconciled now; one during a reconcile is judged at its end. */
  isNews(key: string, step: Step): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return true;
    if (entry.active) {
      entry.deferred.push(step);
      return false;
    }
    return this.#judge(key, entry, step);
  }

  /** The reconcile of the key has ended. Returns whether news came meanwhile. */
  finish(key: string): boolean {
    const entry = this.#entry(key);
    entry.active = false;
    const deferred = entry.deferred.splice(0);
    const news = deferred.map((step) => this.#judge(key, entry, step)).includes(true);
    if (entry.expected.size === 0) this.#entries.delete(key);
    return news;
  }

  #judge(key: string, entry: Entry, { before, after }: Step): boolean {
    const { expected } = entry;
    let version = before;
    // Steps may come in one after a gap in the watch: follow our own writes from one end to the other.
    while (version !== undefined && version !== after && expected.has(version)) {
      const next = expected.get(version);
      expected.delete(version);
      version = next;
    }
    const isEcho = after !== undefined && version === after;
    // Added or deleted: what was expected of the object before will not come any more.
    if (before === undefined || after === undefined) expected.clear();
    if (expected.size === 0 && !entry.active) this.#entries.delete(key);
    return !isEcho;
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key) ?? { expected: new Map(), deferred: [], active: false };
    this.#entries.set(key, entry);
    return entry;
  }
}
