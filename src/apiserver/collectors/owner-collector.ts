import type { Clock } from "../../api/clock.ts";
import type { Logger } from "../logger.ts";
import type { Registry, ServedResource } from "../registry/registry.ts";
import type { KubernetesObject, OwnerReference } from "../resource.ts";
import { decideDeletion, finishDeletion, orphanFinalizer } from "../rest/deletion.ts";
import type { ObjectKey, Read, Store, StoreEvent, Write } from "../store/store.ts";
import { SerialQueue } from "./serial-queue.ts";

/** Thrown inside a decision when the object has gone in the meantime. */
class Gone extends Error {}

const backgroundDeletion = { dryRun: false, preconditions: {}, orphan: false };

/**
 * Deletes objects whose owners are all gone, as Kubernetes' garbage collector does in the background, and takes gone
 * owners out of the references of the others. Owners deleted with the policy Orphan leave their dependents alive.
 */
export class OwnerCollector {
  readonly #registry: Registry;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #queue: SerialQueue<ObjectKey>;
  readonly #unsubscribe: (() => void)[];
  /** By the owner's uid and the dependent's key. */
  readonly #dependents = new Map<string, Map<string, ObjectKey>>();

  constructor(registry: Registry, store: Store, clock: Clock, logger: Logger) {
    this.#registry = registry;
    this.#store = store;
    this.#clock = clock;
    this.#queue = new SerialQueue(
      (key) => this.#collect(key),
      (key, error) => logger.error({ ...key, err: error }, "an object's owners cannot be looked after"),
    );
    this.#unsubscribe = registry
      .stored()
      .map(({ storage }) => store.subscribe(storage, (event) => this.#observe(keyOf(storage, event.object), event)));
  }

  /** Looks at everything once: an earlier process may have left something undone. */
  async resume(): Promise<void> {
    await this.#store.settled();
    for (const { storage } of this.#registry.stored()) {
      for (const object of this.#store.revisions.list({ resource: storage }, this.#store.revision)) {
        this.#note(keyOf(storage, object), object);
      }
    }
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  #observe(key: ObjectKey, { type, object, previous }: StoreEvent): void {
    for (const { uid } of previous?.metadata.ownerReferences ?? []) this.#forget(uid, key);
    if (type !== "DELETED") {
      this.#note(key, object);
      return;
    }
    for (const dependent of this.#dependents.get(object.metadata.uid)?.values() ?? []) this.#want(dependent);
  }

  #note(key: ObjectKey, object: KubernetesObject): void {
    const references = object.metadata.ownerReferences ?? [];
    for (const { uid } of references) {
      const dependents = this.#dependents.get(uid) ?? new Map<string, ObjectKey>();
      this.#dependents.set(uid, dependents.set(nameOf(key), key));
    }
    if (references.length > 0 || isToOrphan(object)) this.#want(key);
  }

  #forget(uid: string, key: ObjectKey): void {
    const dependents = this.#dependents.get(uid);
    dependents?.delete(nameOf(key));
    if (dependents?.size === 0) this.#dependents.delete(uid);
  }

  #want(key: ObjectKey): void {
    this.#queue.add(nameOf(key), key);
  }

  async #collect(key: ObjectKey): Promise<void> {
    const object = await this.#store.get(key);
    if (!object) return;
    if (isToOrphan(object)) await this.#orphanDependents(key, object.metadata.uid);
    else await this.#write(key, (current, read) => this.#judge(key, current, read));
  }

  /** In one turn with the reads of its owners: none can come or go in between. */
  #judge(key: ObjectKey, current: KubernetesObject, read: Read): Write {
    const references = current.metadata.ownerReferences ?? [];
    const kept = references.filter((reference) => this.#mayExist(reference, key.namespace, read));
    if (kept.length === references.length) return { action: "keep", object: current };
    if (kept.length > 0) return { action: "put", object: withOwners(current, kept) };
    return decideDeletion(this.#resource(key), current, backgroundDeletion, this.#clock.now());
  }

  /** An owner of a kind that is not served here, or out of the dependent's reach, is given the benefit of the doubt. */
  #mayExist(reference: OwnerReference, namespace: string, read: Read): boolean {
    const owner = this.#registry.findKind(reference.apiVersion, reference.kind);
    if (!owner || (owner.definition.namespaced && namespace === "")) return true;
    const key = {
      resource: owner.storage,
      namespace: owner.definition.namespaced ? namespace : "",
      name: reference.name,
    };
    return read(key)?.metadata.uid === reference.uid;
  }

  async #orphanDependents(key: ObjectKey, uid: string): Promise<void> {
    for (const dependent of [...(this.#dependents.get(uid)?.values() ?? [])]) {
      await this.#write(dependent, (current) => {
        const kept = (current.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
        return { action: "put", object: withOwners(current, kept) };
      });
    }
    await this.#write(key, (current) => {
      const finalizers = (current.metadata.finalizers ?? []).filter((finalizer) => finalizer !== orphanFinalizer);
      const { finalizers: _finalizers, ...metadata } = current.metadata;
      const freed = { ...current, metadata: finalizers.length > 0 ? { ...metadata, finalizers } : metadata };
      return finishDeletion(this.#resource(key), freed);
    });
  }

  async #write(key: ObjectKey, decide: (current: KubernetesObject, read: Read) => Write): Promise<void> {
    try {
      await this.#store.write(key, (current, read) => {
        if (!current) throw new Gone();
        return decide(current, read);
      });
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }

  #resource(key: ObjectKey): ServedResource {
    const resource = this.#registry.stored().find(({ storage }) => storage === key.resource);
    if (!resource) throw new Error(`the registry has no storage ${key.resource}`);
    return resource;
  }
}

function isToOrphan({ metadata }: KubernetesObject): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(orphanFinalizer) === true;
}

function withOwners(object: KubernetesObject, ownerReferences: OwnerReference[]): KubernetesObject {
  const { ownerReferences: _ownerReferences, ...metadata } = object.metadata;
  return { ...object, metadata: ownerReferences.length > 0 ? { ...metadata, ownerReferences } : metadata };
}

function keyOf(resource: string, { metadata }: KubernetesObject): ObjectKey {
  return { resource, namespace: metadata.namespace ?? "", name: metadata.name };
}

function nameOf({ resource, namespace, name }: ObjectKey): string {
  return `${resource}/${namespace}/${name}`;
}
