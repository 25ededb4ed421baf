import { randomBytes } from "node:crypto";
import type { JsonObject } from "../../../src/apiserver/resource.ts";
import type { Kubectl, KubectlVersion, RunningKubectl } from "../../support/kubectl.ts";
import type { KubectlSession } from "../../support/kubectl-session.ts";
import { type KindUnderTest, manifest } from "./kinds.ts";

/** What the tests look at in an object that kubectl read. */
export interface StoredObject {
  metadata: {
    name: string;
    uid: string;
    generation?: number;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  status?: unknown;
}

/** One version of kubectl in a namespace of its own, and objects to try it on. */
export class KubectlBench {
  readonly kubectl: Kubectl;
  /** What the tests do beside the version they try. */
  readonly modern: Kubectl;
  readonly #clusterScoped: [KindUnderTest, string][] = [];

  private constructor(kubectl: Kubectl, modern: Kubectl) {
    this.kubectl = kubectl;
    this.modern = modern;
  }

  static async create(session: KubectlSession, version: KubectlVersion): Promise<KubectlBench> {
    const kubectl = await session.kubectl(version);
    return new KubectlBench(kubectl, await session.modern(kubectl));
  }

  /** A good object under a name that nobody else uses; it is not created. */
  made(kind: KindUnderTest, labels?: Record<string, string>): { name: string; object: JsonObject } {
    const name = `${kind.kind.toLowerCase()}-${randomBytes(4).toString("hex")}`;
    if (!kind.namespaced) this.#clusterScoped.push([kind, name]);
    return { name, object: manifest(kind, name, this.kubectl.namespace, labels ? { labels } : {}) };
  }

  async create(kind: KindUnderTest, labels?: Record<string, string>): Promise<string> {
    const { name, object } = this.made(kind, labels);
    await this.kubectl.ok(["create", "-f", "-"], { input: object });
    return name;
  }

  /** A `kubectl wait` that has seen the object: its log of requests says so. */
  async waiting(kind: KindUnderTest, name: string, condition: string): Promise<RunningKubectl> {
    const wait = this.kubectl.start(["wait", `${kind.resource}/${name}`, condition, "--timeout=30s", "-v=6"]);
    await wait.said(new RegExp(`GET .*${name}.* 200 OK`));
    return wait;
  }

  /** Sets a condition as a controller would, whatever version of kubectl is tried. */
  reportReady(kind: KindUnderTest, name: string): Promise<string> {
    const condition = {
      type: "Ready",
      status: "True",
      reason: "Tested",
      message: "it was tested",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    };
    const patch = JSON.stringify({ status: { conditions: [condition] } });
    return this.modern.ok(["patch", kind.resource, name, "--subresource=status", "--type=merge", "-p", patch]);
  }

  /** Removes what does not go with the namespace. */
  async removeClusterScoped(): Promise<void> {
    for (const [kind, name] of this.#clusterScoped) {
      await this.modern.run(["delete", kind.resource, name, "--wait=false", "--ignore-not-found"]);
    }
  }
}
