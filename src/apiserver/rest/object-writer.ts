import { randomInt } from "node:crypto";
import type { Clock } from "../../api/clock.ts";
import type { ServedResource } from "../registry/registry.ts";
import type { KubernetesObject } from "../resource.ts";
import { alreadyExists, badRequest, forbidden, invalid, notFound, StatusError } from "../status.ts";
import type { ObjectKey, Read, Store, Write } from "../store/store.ts";
import { type DecodedObject, decodeObject, type FieldValidation } from "./decode.ts";
import { type DeleteOptions, decideDeletion, finishDeletion } from "./deletion.ts";
import { prepareCreate, prepareStatusUpdate, prepareUpdate } from "./prepare.ts";

export type Subresource = "status" | undefined;

export interface WriteOptions {
  dryRun: boolean;
  fieldValidation: FieldValidation;
}

export interface Written {
  object: KubernetesObject;
  warnings: string[];
}

/** Makes the new object from the current one; for PUT it is the client's, for PATCH the patched current one. */
export type Change = (current: KubernetesObject) => unknown;

const suffixCharacters = "bcdfghjklmnpqrstvwxz2456789";
const generateAttempts = 8;
const longestGeneratedBase = 58;

/** Thrown inside a decision to leave without writing, carrying what a dry run answers. */
class DryRun extends Error {
  readonly object: KubernetesObject;
  constructor(object: KubernetesObject) {
    super("dry run");
    this.object = object;
  }
}

/** Creates, updates and deletes objects by the rules of Kubernetes. Each write is one atomic decision of the store. */
export class ObjectWriter {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @throws StatusError 400, 403, 404 (the namespace), 409 or 422 */
  async create(resource: ServedResource, namespace: string, raw: unknown, options: WriteOptions): Promise<Written> {
    const decoded = decodeObject(resource, { namespace }, raw, options.fieldValidation);
    if (decoded.meta.resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
    const base = decoded.meta.generateName;
    const attempts = decoded.meta.name || !base ? 1 : generateAttempts;
    for (let attempt = 1; ; attempt++) {
      const name = decoded.meta.name || (base ? base.slice(0, longestGeneratedBase) + randomSuffix() : "");
      try {
        return await this.#createNamed(resource, { namespace, name }, decoded, options);
      } catch (error) {
        const collided = error instanceof StatusError && error.reason === "AlreadyExists";
        if (!collided || attempt === attempts) throw error;
      }
    }
  }

  async #createNamed(
    resource: ServedResource,
    address: { namespace: string; name: string },
    decoded: DecodedObject,
    options: WriteOptions,
  ): Promise<Written> {
    const object = await this.#write(resource, address, options.dryRun, (current, read) => {
      checkNamespace(resource, address, read);
      const prepared = prepareCreate(resource, decoded, address, this.#clock.now());
      if (current) throw alreadyExists(resource.definition, current);
      return { action: "put", object: prepared };
    });
    return { object, warnings: decoded.warnings };
  }

  /**
   * Replaces or patches an object, or its status alone.
   *
   * @param unconditional whether a missing resourceVersion means the current one (a patch), or is an error (PUT)
   * @throws StatusError 400, 404, 409 or 422
   */
  async update(
    resource: ServedResource,
    address: { namespace: string; name: string },
    subresource: Subresource,
    change: Change,
    options: WriteOptions & { unconditional: boolean },
  ): Promise<Written> {
    let warnings: string[] = [];
    const object = await this.#write(resource, address, options.dryRun, (current) => {
      if (!current) throw notFound(resource.definition, address.name);
      const decoded = decodeObject(resource, address, change(current), options.fieldValidation);
      warnings = decoded.warnings;
      if (!options.unconditional) requireVersion(resource, decoded);
      if (subresource === "status") {
        const updated = prepareStatusUpdate(resource, decoded, current);
        return { action: updated === current ? "keep" : "put", object: updated };
      }
      const updated = prepareUpdate(resource, decoded, current);
      if (updated === current) return { action: "keep", object: current };
      return finishDeletion(resource, updated);
    });
    return { object, warnings };
  }

  /**
   * @returns the object, and whether it is gone (true) or only marked because of finalizers (false)
   * @throws StatusError 403, 404, 409 or 422
   */
  async delete(
    resource: ServedResource,
    address: { namespace: string; name: string },
    options: DeleteOptions,
  ): Promise<{ object: KubernetesObject; gone: boolean }> {
    let gone = false;
    const object = await this.#write(resource, address, options.dryRun, (current) => {
      if (!current) throw notFound(resource.definition, address.name);
      const write = decideDeletion(resource, current, options, this.#clock.now());
      gone = write.action === "delete";
      return write;
    });
    return { object, gone };
  }

  /** Runs a decision on the served form of objects; a dry run decides alike and writes nothing. */
  async #write(
    resource: ServedResource,
    address: { namespace: string; name: string },
    dryRun: boolean,
    decide: (current: KubernetesObject | undefined, read: Read) => Write,
  ): Promise<KubernetesObject> {
    const key: ObjectKey = { resource: resource.storage, namespace: address.namespace, name: address.name };
    try {
      const stored = await this.#store.write(key, (current, read) => {
        const write = decide(current && resource.fromStored(current), read);
        if (dryRun) throw new DryRun(write.object);
        return { action: write.action, object: resource.toStored(write.object) };
      });
      return resource.fromStored(stored);
    } catch (error) {
      if (error instanceof DryRun) return error.object;
      throw error;
    }
  }
}

function randomSuffix(): string {
  return Array.from({ length: 5 }, () => suffixCharacters[randomInt(suffixCharacters.length)]).join("");
}

function requireVersion(resource: ServedResource, decoded: DecodedObject): void {
  if (decoded.meta.resourceVersion || resource.behaviour.allowsUnconditionalUpdate) return;
  throw invalid(resource.definition, decoded.meta.name ?? "", [
    {
      reason: "FieldValueInvalid",
      message: "Invalid value: 0x0: must be specified for an update",
      field: "metadata.resourceVersion",
    },
  ]);
}

/** @throws StatusError 404 when the namespace does not exist, 403 when it is being deleted */
function checkNamespace(resource: ServedResource, address: { namespace: string; name: string }, read: Read): void {
  if (!resource.definition.namespaced) return;
  const namespace = read({ resource: "namespaces", namespace: "", name: address.namespace });
  if (!namespace) throw notFound({ group: "", plural: "namespaces" }, address.namespace);
  if (namespace.metadata.deletionTimestamp === undefined) return;
  const message = `namespace ${address.namespace} is being terminated`;
  const cause = `unable to create new content in namespace ${address.namespace} because it is being terminated`;
  throw forbidden(resource.definition, address.name, cause, {
    causes: [{ reason: "NamespaceTerminating", message, field: "metadata.namespace" }],
  });
}
