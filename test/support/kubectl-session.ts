import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Kubectl, type KubectlVersion } from "./kubectl.ts";
import { type ServerUnderTest, startServerUnderTest } from "./server-under-test.ts";

/** A server and kubectl to try it with; each in a namespace of its own, which goes at the end. */
export class KubectlSession {
  readonly server: ServerUnderTest;
  readonly #namespaces: Kubectl[] = [];

  private constructor(server: ServerUnderTest) {
    this.server = server;
  }

  static async start(): Promise<KubectlSession> {
    return new KubectlSession(await startServerUnderTest());
  }

  /** kubectl of this version in a new namespace. */
  async kubectl(version: KubectlVersion): Promise<Kubectl> {
    const name = `kubectl-${version.replace(".", "-")}-${randomBytes(3).toString("hex")}`;
    const { kubeconfigPath, folder } = this.server;
    const kubectl = await Kubectl.create(version, kubeconfigPath, join(folder, `cache-${version}`), name);
    await kubectl.ok(["create", "-f", "-"], { input: { apiVersion: "v1", kind: "Namespace", metadata: { name } } });
    this.#namespaces.push(kubectl);
    return kubectl;
  }

  /** What tests do beside the version they try, in the same namespace. */
  modern(beside: Kubectl): Promise<Kubectl> {
    const { kubeconfigPath, folder } = this.server;
    return Kubectl.create("1.32", kubeconfigPath, join(folder, "cache-1.32"), beside.namespace);
  }

  async stop(): Promise<void> {
    for (const kubectl of this.#namespaces) {
      // A cluster empties a namespace in its own time; other tests must not meet these objects meanwhile.
      await kubectl.run(["delete", "virtualmachines,reservations", "--all"]);
      await kubectl.run(["delete", "namespace", kubectl.namespace, "--wait=false"]);
    }
    await this.server.stop();
  }
}
