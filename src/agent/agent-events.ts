import type { AgentEvent } from "./protocol/types.ts";

/** Tells whoever listens that something changed. Events carry no state: listeners read, so none that is missed does harm. */
export class AgentEvents {
  readonly #listeners = new Set<(event: AgentEvent) => void>();

  /** Returns what ends the subscription. */
  subscribe(listener: (event: AgentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: AgentEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
