import { randomBytes } from "node:crypto";
import { expect } from "chai";
import type { JsonObject } from "../../src/apiserver/resource.ts";
import { type RawAnswer, RawApi } from "./raw-api.ts";
import { type ServerUnderTest, startServerUnderTest } from "./server-under-test.ts";

export interface Metadata {
  name: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
}

export interface Stored {
  metadata: Metadata;
  spec: JsonObject;
  status?: JsonObject;
}

export interface List {
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: Stored[];
}

/** The object of an answer that must have succeeded. */
export function stored({ code, body }: RawAnswer): Stored {
  expect(code, JSON.stringify(body)).to.be.within(200, 201);
  return body as unknown as Stored;
}

export function listed({ code, body }: RawAnswer): List {
  expect(code, JSON.stringify(body)).to.equal(200);
  return body as unknown as List;
}

export function names(list: List): string[] {
  return list.items.map((item) => item.metadata.name);
}

/** An answer must be a Status with this code and reason. */
export function expectStatus({ code, body }: RawAnswer, wanted: number, reason: string): JsonObject {
  expect(body).to.include({ kind: "Status", apiVersion: "v1", status: "Failure", code: wanted, reason });
  expect(code).to.equal(wanted);
  expect(body.message).to.be.a("string").that.is.not.empty;
  return body;
}

/** Raw requests for VirtualMachines in a namespace of each test's own. */
export class VirtualMachineApi {
  readonly api: RawApi;
  readonly #server: ServerUnderTest;
  namespace = "";

  private constructor(server: ServerUnderTest, api: RawApi) {
    this.#server = server;
    this.api = api;
  }

  static async start(): Promise<VirtualMachineApi> {
    const server = await startServerUnderTest();
    return new VirtualMachineApi(server, await RawApi.create(server.kubeconfigPath));
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  get collection(): string {
    return `/apis/vacate.dev/v1alpha1/namespaces/${this.namespace}/virtualmachines`;
  }

  /** The path of another kind's collection in the namespace. */
  beside(apiVersion: string, plural: string): string {
    return `/${apiVersion === "v1" ? "api" : "apis"}/${apiVersion}/namespaces/${this.namespace}/${plural}`;
  }

  async enterNamespace(): Promise<void> {
    this.namespace = `api-${randomBytes(4).toString("hex")}`;
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name: this.namespace } };
    stored(await this.api.send("POST", "/api/v1/namespaces", { body }));
  }

  /** A cluster empties a namespace in its own time; other tests must not meet these machines meanwhile. */
  async leaveNamespace(): Promise<void> {
    await this.api.send("DELETE", this.collection);
    await this.api.send("DELETE", `/api/v1/namespaces/${this.namespace}`);
  }

  body(name: string, metadata: JsonObject = {}): JsonObject {
    return {
      apiVersion: "vacate.dev/v1alpha1",
      kind: "VirtualMachine",
      metadata: { name, namespace: this.namespace, ...metadata },
      spec: { cpus: 1, memory: "512Mi", disk: { image: "busybox" } },
    };
  }

  post(body: JsonObject, query = ""): Promise<RawAnswer> {
    return this.api.send("POST", this.collection + query, { body });
  }

  async create(name: string, metadata: JsonObject = {}): Promise<Stored> {
    return stored(await this.post(this.body(name, metadata)));
  }

  async read(name: string): Promise<Stored> {
    return stored(await this.api.get(`${this.collection}/${name}`));
  }
}
