/** An abort of one's own that follows another. `Symbol.dispose` stops following, so that long-lived signals keep no list. */
export class LinkedAbort implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #follow = () => this.#controller.abort(this.#parent.reason);

  constructor(parent: AbortSignal) {
    this.#parent = parent;
    if (parent.aborted) this.#follow();
    else parent.addEventListener("abort", this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#parent.removeEventListener("abort", this.#follow);
  }
}

/** The reason with which work is aborted because its owner stops. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
}

/** Resolves to whether the promise settled (either way) before the seconds passed. */
export async function settlesWithin(
  promise: Promise<unknown>,
  seconds: number,
  clock: { sleep(milliseconds: number, signal?: AbortSignal): Promise<void> },
): Promise<boolean> {
  const timer = new AbortController();
  const settled = promise.then(
    () => true,
    () => true,
  );
  const late = clock.sleep(seconds * 1000, timer.signal).then(
    () => false,
    () => true,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    timer.abort();
  }
}
