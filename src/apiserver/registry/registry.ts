import { builtInBehaviours } from "../builtin/behaviours.ts";
import { builtInDefinitions } from "../builtin/definitions.ts";
import {
  apiVersionOf,
  type JsonObject,
  type KubernetesObject,
  qualifiedResource,
  type ResourceDefinition,
} from "../resource.ts";
import { compileSchema, type ObjectSchema } from "../schema/compile-schema.ts";
import type { Behaviour } from "./behaviour.ts";
import { DefinitionError, readCustomResourceDefinition } from "./custom-resources.ts";

/** One served resource with all that the handlers need to know of it. */
export interface ServedResource {
  definition: ResourceDefinition;
  schema: ObjectSchema;
  behaviour: Behaviour;
  /** Under which name its objects are stored; views of one store share it. */
  storage: string;
  toStored: (object: KubernetesObject) => KubernetesObject;
  fromStored: (object: KubernetesObject) => KubernetesObject;
}

/** The kinds a server serves: the built-in ones and those of its CustomResourceDefinitions. Fixed once made. */
export class Registry {
  readonly definitions: ResourceDefinition[];
  readonly #resources = new Map<string, ServedResource>();
  readonly #stored: ServedResource[];

  /** @throws DefinitionError when a definition cannot be served, or its schema does not compile */
  constructor(customResourceDefinitions: JsonObject[]) {
    const custom = customResourceDefinitions.flatMap((manifest) => readCustomResourceDefinition(manifest));
    this.definitions = [...builtInDefinitions, ...custom];
    for (const definition of this.definitions) {
      const key = `${apiVersionOf(definition)}/${definition.plural}`;
      if (this.#resources.has(key)) throw new DefinitionError(qualifiedResource(definition), "is defined twice");
      this.#resources.set(key, serve(definition));
    }
    const stored = new Map<string, ServedResource>();
    for (const resource of this.#resources.values()) {
      const isKept = resource.definition.verbs.includes("get") && !stored.has(resource.storage);
      if (isKept) stored.set(resource.storage, resource);
    }
    this.#stored = [...stored.values()];
  }

  find(apiVersion: string, plural: string): ServedResource | undefined {
    return this.#resources.get(`${apiVersion}/${plural}`);
  }

  /** Finds a kind in any of its versions: whoever refers to it may have known another one than the first. */
  findKind(apiVersion: string, kind: string): ServedResource | undefined {
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    return this.stored().find(({ definition }) => definition.group === group && definition.kind === kind);
  }

  /** @throws Error when there is no such resource: for those the server itself relies on */
  get(apiVersion: string, plural: string): ServedResource {
    const resource = this.find(apiVersion, plural);
    if (!resource) throw new Error(`the registry has no ${plural} in ${apiVersion}`);
    return resource;
  }

  /** One resource for each store of objects. */
  stored(): ServedResource[] {
    return this.#stored;
  }
}

function serve(definition: ResourceDefinition): ServedResource {
  const name = qualifiedResource(definition);
  const behaviour = definition.builtIn ? (builtInBehaviours[name] ?? {}) : {};
  const schema = compile(definition);
  return {
    definition,
    schema,
    behaviour,
    storage: name === "events.events.k8s.io" ? "events" : name,
    toStored: behaviour.toStored ?? ((object) => object),
    fromStored: behaviour.fromStored ?? (definition.builtIn ? (object) => object : upgrade(definition, schema)),
  };
}

/**
 * Shows objects by the definition of today, though they may have been stored under an older one or another version: unknown
 * fields go, new defaults come, the resourceVersion stays. Changes the object in place, because it does so every time alike.
 */
function upgrade(definition: ResourceDefinition, schema: ObjectSchema): ServedResource["fromStored"] {
  const apiVersion = apiVersionOf(definition);
  return (object) => {
    object.apiVersion = apiVersion;
    schema.prune(object);
    schema.applyDefaults(object);
    return object;
  };
}

function compile(definition: ResourceDefinition): ObjectSchema {
  try {
    return compileSchema(definition);
  } catch (error) {
    throw new DefinitionError(qualifiedResource(definition), `its schema cannot be used: ${(error as Error).message}`);
  }
}
