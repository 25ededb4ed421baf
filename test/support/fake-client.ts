import { formatKey, type KubernetesObject, type ObjectKey } from "../../src/api/object.ts";
import type { Resource } from "../../src/api/resources.ts";
import { type Call, MemoryClient, type Verb } from "../../src/simulation/memory-client.ts";
import type { Stored } from "../../src/simulation/memory-watch.ts";

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

  /** Stores objects as they are, status included, as if they had been there long before. Returns the first. */
  seed<T extends KubernetesObject>(resource: Resource<T>, ...objects: T[]): T {
    const stored = objects.map((object) => this.insert(resource, structuredClone(object) as unknown as Stored));
    return structuredClone(stored[0]) as unknown as T;
  }

  /** The object as it is now, without a call. */
  peek<T extends KubernetesObject>(resource: Resource<T>, key: ObjectKey): T | undefined {
    const found = this.table(resource).get(formatKey(key));
    return structuredClone(found) as T | undefined;
  }

  /** All objects of the resource, sorted by key. */
  peekAll<T extends KubernetesObject>(resource: Resource<T>): T[] {
    const sorted = [...this.table(resource)].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([, object]) => structuredClone(object) as unknown as T);
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
