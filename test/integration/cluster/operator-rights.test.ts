import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { loadAll } from "js-yaml";
import type { JsonObject } from "../../../src/apiserver/resource.ts";
import { type Access, AccessRecorder } from "../../support/access-recorder.ts";
import { Kubectl } from "../../support/kubectl.ts";
import { OperatorScene } from "../../support/operator-scene.ts";
import { RawApi } from "../../support/raw-api.ts";
import { needs } from "../../support/server-under-test.ts";

const manifests = new URL("../../../manifests/", import.meta.url);
const operatorNamespace = "vacate-system";
const account = { name: "vacate", namespace: operatorNamespace };

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

describe("the operator with the rights of manifests/", function () {
  this.timeout(180_000);
  let scene: OperatorScene;
  let recorder: AccessRecorder | undefined;
  let kubectl: Kubectl | undefined;

  before(async () => {
    scene = await OperatorScene.start({ operatorNamespace });
    if (!scene.server.capabilities.has("accessRules")) return;
    const { kubeconfigPath, folder } = scene.server;
    kubectl = await Kubectl.create("1.32", kubeconfigPath, join(folder, "cache-1.32"), operatorNamespace);
    for (const file of ["namespace.yaml", "rbac.yaml"]) {
      await kubectl.ok(["apply", "-f", new URL(file, manifests).pathname]);
    }
    recorder = new AccessRecorder(kubeconfigPath);
    const server = await recorder.start();
    await scene.addHosts({ name: "host-a" }, { name: "host-b" });
    await scene.startOperator(await accountKubeconfig(server));
  });

  after(async () => {
    await scene?.clear();
    if (recorder) await scene.operator.stop();
    // Before the scene ends: kubectl keeps its cache in the scene's folder.
    await kubectl?.run(["delete", "-f", new URL("rbac.yaml", manifests).pathname, "--ignore-not-found"]);
    await scene?.stop();
    await recorder?.stop();
  });

  /** What a pod with this service account would be given. */
  async function accountKubeconfig(server: string): Promise<string> {
    const api = await RawApi.create(scene.server.kubeconfigPath);
    const path = `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`;
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 600 } };
    const answer = await api.send("POST", path, { body });
    const { token } = answer.body.status as { token: string };
    // JSON is YAML. The recorder is reached without TLS, which clients want said twice.
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "recorded",
      clusters: [{ name: "recorder", cluster: { server, "insecure-skip-tls-verify": true } }],
      users: [{ name: "operator", user: { token } }],
      contexts: [{ name: "recorded", context: { cluster: "recorder", user: "operator" } }],
    };
    const file = join(scene.folder, "operator.kubeconfig");
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  it("should place, move and remove VMs, carry reservations, and be refused nothing", async function () {
    needs(this, scene.server, "accessRules");
    for (const { name } of scene.hosts) await scene.hostReady(name, "True", "AgentAnswers");
    await scene.createGuest("mover", { home: "host-a" });
    await scene.createGuest("homeless");
    await scene.runningOn("mover", "host-a");
    await scene.runningOn("homeless", "host-a", "host-b");
    await scene.setHome("mover", "host-b");
    await scene.runningOn("mover", "host-b");
    await scene.reserve("soon", { in: "5s" });
    await scene.reservationUntil("soon", "vacating", (each) => each.status?.vacatingSince !== undefined);
    await scene.clear();
    // The same events once more are counted up.
    for (let times = 1; times <= 2; times++) {
      await scene.restartSshd("host-a");
    }
    // The next term, from the one that is recorded.
    await scene.operator.stop();
    await scene.startOperator(join(scene.folder, "operator.kubeconfig"));
    for (const { name } of scene.hosts) await scene.hostReady(name, "True", "AgentAnswers");

    const refused = recorder?.accesses.filter(({ code }) => code === 401 || code === 403);
    expect(refused).to.deep.equal([]);
  });

  it("should use every right that it is given", function () {
    needs(this, scene.server, "accessRules");
    const used = new Set((recorder?.accesses ?? []).flatMap(namesOf));
    const unused = grantedRights().filter((right) => !used.has(right));
    expect(unused).to.deep.equal([]);
  });
});

/** A right as a line: `patch vmhosts.vacate.dev/status`, with where it is limited to. */
function line(verb: string, group: string, resource: string, limits: (string | undefined)[]): string {
  return [`${verb} ${resource} of ${group || "core"}`, ...limits.filter((limit) => limit !== undefined)].join(" in ");
}

/** Every right that would have allowed it. */
function namesOf({ verb, group, resource, namespace, name }: Access): string[] {
  const limits = [[], [namespace], [namespace, name]];
  return limits.map((each) => line(verb, group, resource, each));
}

function grantedRights(): string[] {
  const objects = loadAll(readFileSync(new URL("rbac.yaml", manifests), "utf8")) as (JsonObject & { rules?: Rule[] })[];
  return objects.flatMap(({ metadata, rules = [] }) => {
    const { namespace } = metadata as { namespace?: string };
    return rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [undefined] }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.flatMap((verb) => resourceNames.map((name) => line(verb, group, resource, [namespace, name]))),
        ),
      ),
    );
  });
}
