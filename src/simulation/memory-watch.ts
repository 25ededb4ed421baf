import type { KubernetesObject } from "../api/object.ts";

export type Stored = KubernetesObject & Record<string, unknown>;

export type Change = { type: "ADDED" | "MODIFIED" | "DELETED"; plural: string; version: number; object: Stored };

/** One watch's events, waiting to be read. */
export class Watcher {
  readonly #waiting: Change[];
  readonly #signal: AbortSignal | undefined;
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  constructor(waiting: Change[], signal: AbortSignal | undefined) {
    this.#waiting = waiting;
    this.#signal = signal;
    signal?.addEventListener("abort", () => this.#wake(), { once: true });
  }

  push(change: Change): void {
    this.#waiting.push(change);
    this.#wake();
  }

  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  async *changes(): AsyncGenerator<Change, void, undefined> {
    while (true) {
      this.#signal?.throwIfAborted();
      const change = this.#waiting.shift();
      if (change !== undefined) {
        yield change;
        continue;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
