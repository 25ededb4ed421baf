import type { Resource } from "../../src/api/resources.ts";
import { type Call, MemoryClient, type Verb } from "../../src/simulation/memory-client.ts";

type Hook = (call: Call) => void | Promise<void>;

/** An API server in memory that keeps every call and can be made to fail. */
export class FakeClient extends MemoryClient {
  /** Every call, in order. */
  readonly calls: Call[] = [];
  readonly #hooks: { verb: Verb; plural: string; hook: Hook }[] = [];

  /** Makes the next call of this verb on this resource reject with the error, before it has any effect. */
  failNext(verb: Verb, resource: Resource, error: Error): void {
    this.beforeNext(verb, resource, () => {
      throw error;
    });
  }

  /** Runs the hook before the next such call takes effect: another writer in between, a delay, an error. */
  beforeNext(verb: Verb, resource: Resource, hook: Hook): void {
    this.#hooks.push({ verb, plural: resource.plural, hook });
  }

  /** Tests change what they get. */
  protected override handedOut<T>(object: T): T {
    return structuredClone(object);
  }

  protected override async arrived(call: Call): Promise<void> {
    this.calls.push(structuredClone(call));
    const index = this.#hooks.findIndex((hook) => hook.verb === call.verb && hook.plural === call.plural);
    if (index >= 0) await this.#hooks.splice(index, 1)[0]?.hook(call);
  }
}
