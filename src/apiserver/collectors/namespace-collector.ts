import { emptiedNamespace } from "../builtin/behaviours.ts";
import type { Logger } from "../logger.ts";
import type { Registry } from "../registry/registry.ts";
import { finishDeletion } from "../rest/deletion.ts";
import type { ObjectWriter } from "../rest/object-writer.ts";
import { StatusError } from "../status.ts";
import type { Store } from "../store/store.ts";
import { SerialQueue } from "./serial-queue.ts";

/** Empties namespaces that are being deleted, and lets them go once nothing is left in them. */
export class NamespaceCollector {
  readonly #registry: Registry;
  readonly #store: Store;
  readonly #writer: ObjectWriter;
  readonly #queue: SerialQueue<string>;
  readonly #unsubscribe: (() => void)[];

  constructor(registry: Registry, store: Store, writer: ObjectWriter, logger: Logger) {
    this.#registry = registry;
    this.#store = store;
    this.#writer = writer;
    this.#queue = new SerialQueue(
      (namespace) => this.#collect(namespace),
      (namespace, error) => logger.error({ namespace, err: error }, "a namespace cannot be emptied"),
    );
    this.#unsubscribe = this.#registry.stored().map(({ storage }) =>
      store.subscribe(storage, ({ type, object }) => {
        const isNamespace = storage === "namespaces";
        if (isNamespace && object.metadata.deletionTimestamp !== undefined) this.#want(object.metadata.name);
        else if (type === "DELETED" && object.metadata.namespace) this.#want(object.metadata.namespace);
      }),
    );
  }

  /** Goes on with what an earlier process left undone. */
  async resume(): Promise<void> {
    await this.#store.settled();
    for (const namespace of this.#store.revisions.list({ resource: "namespaces" }, this.#store.revision)) {
      if (namespace.metadata.deletionTimestamp !== undefined) this.#want(namespace.metadata.name);
    }
  }

  /** Finishes the namespace at hand. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  #want(namespace: string): void {
    this.#queue.add(namespace, namespace);
  }

  async #collect(name: string): Promise<void> {
    const key = { resource: "namespaces", namespace: "", name };
    const namespace = await this.#store.get(key);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    const left = await this.#deleteContents(name);
    if (left > 0) return;
    const resource = this.#registry.get("v1", "namespaces");
    await this.#store.write(key, (current) => {
      if (!current) throw new StatusError(404, "NotFound", "the namespace is gone");
      return finishDeletion(resource, emptiedNamespace(current));
    });
  }

  /** @returns how many objects wait for their finalizers; their deletion calls for another look */
  async #deleteContents(namespace: string): Promise<number> {
    let left = 0;
    for (const resource of this.#registry.stored()) {
      if (!resource.definition.namespaced) continue;
      await this.#store.settled();
      const names = [];
      for (const object of this.#store.revisions.list(
        { resource: resource.storage, namespace },
        this.#store.revision,
      )) {
        names.push(object.metadata.name);
      }
      const outcomes = await Promise.all(
        names.map((name) =>
          this.#writer.delete(resource, { namespace, name }, { dryRun: false, preconditions: {} }).catch((error) => {
            if (error instanceof StatusError && error.code === 404) return { gone: true };
            throw error;
          }),
        ),
      );
      left += outcomes.filter(({ gone }) => !gone).length;
    }
    return left;
  }
}
