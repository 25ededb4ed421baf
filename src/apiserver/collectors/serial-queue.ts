/** Keys that want work, done one after the other. A key that is wanted again before its turn is worked on once. */
export class SerialQueue<Key> {
  readonly #work: (key: Key) => Promise<void>;
  readonly #onError: (key: Key, error: unknown) => void;
  readonly #wanted = new Map<string, Key>();
  #running: Promise<void> | undefined;
  #stopped = false;

  /** @param onError told of work that failed; the key is not tried again until it is added again */
  constructor(work: (key: Key) => Promise<void>, onError: (key: Key, error: unknown) => void) {
    this.#work = work;
    this.#onError = onError;
  }

  add(name: string, key: Key): void {
    if (this.#stopped) return;
    this.#wanted.set(name, key);
    this.#running ??= this.#run();
  }

  /** Finishes the key at hand and forgets the others. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wanted.clear();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const [name, key] of this.#wanted) {
      this.#wanted.delete(name);
      try {
        await this.#work(key);
      } catch (error) {
        this.#onError(key, error);
      }
    }
    this.#running = undefined;
  }
}
