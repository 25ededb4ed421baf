import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { JsonObject } from "../../../src/apiserver/resource.ts";
import { loadDefinitions } from "../../../src/cli/custom-resource-definitions.ts";
import { type Kubectl, kubectlVersions } from "../../support/kubectl.ts";
import { KubectlSession } from "../../support/kubectl-session.ts";
import { type Capability, needs } from "../../support/server-under-test.ts";
import { changed, type KindUnderTest, manifest, projectKinds } from "./kinds.ts";

function kindOf(name: string): KindUnderTest {
  const found = projectKinds.find((kind) => kind.kind === name);
  if (!found) throw new Error(`no kind ${name}`);
  return found;
}

const reservation = kindOf("Reservation");
const virtualMachine = kindOf("VirtualMachine");
const host = kindOf("VMHost");

type Need = Capability | `no ${Capability}`;

interface Refusal {
  what: string;
  kind: KindUnderTest;
  /** A merge over a good object. */
  change: JsonObject;
  says: RegExp;
  needs?: Need[];
}

const window = (values: JsonObject): JsonObject => ({
  spec: { window: { start: "2035-01-31T09:00:00Z", duration: "1h", ...values } },
});

const refusals: Refusal[] = [
  {
    what: "fewer than one host",
    kind: reservation,
    change: { spec: { hosts: { count: 0 } } },
    says: /spec\.hosts\.count: Invalid value: 0: spec\.hosts\.count in body should be greater than or equal to 1/,
  },
  {
    what: "a negative memory",
    kind: virtualMachine,
    change: { spec: { memory: "-1Gi" } },
    says: /spec\.memory: Invalid value: "-1Gi": spec\.memory in body should match/,
  },
  {
    what: "an absurd number of CPUs",
    kind: virtualMachine,
    change: { spec: { cpus: 100_000 } },
    says: /spec\.cpus: Invalid value: 100000: spec\.cpus in body should be less than or equal to 256/,
  },
  {
    what: "an unknown power state",
    kind: virtualMachine,
    change: { spec: { powerState: "Paused" } },
    says: /spec\.powerState: Unsupported value: "Paused": supported values: "Running", "Stopped"/,
  },
  {
    what: "a start that is no time",
    kind: reservation,
    change: window({ start: "tomorrow" }),
    says: /spec\.window\.start: Invalid value: "tomorrow": spec\.window\.start in body must be of type date-time/,
  },
  {
    what: "a namespace twice",
    kind: host,
    change: { spec: { reservableFrom: ["a", "a"] } },
    says: /spec\.reservableFrom\[1\]: Duplicate value: "a"/,
  },
  {
    what: "a host key that is none",
    kind: host,
    change: { spec: { hostKey: "the key under the doormat" } },
    says: /spec\.hostKey: Invalid value: "the key under the doormat": spec\.hostKey in body should match/,
  },
  {
    what: "a window of a month and more",
    kind: reservation,
    change: window({ duration: "721h" }),
    says: /spec\.window\.duration: Invalid value: .*: duration must be between 1m and 720h/,
    needs: ["cel"],
  },
  {
    what: "a name that is longer than a label value",
    kind: virtualMachine,
    change: { metadata: { name: "n".repeat(64) } },
    says: /metadata\.name must have at most 63 characters/,
    needs: ["cel"],
  },
  {
    what: "a name that is none",
    kind: virtualMachine,
    change: { metadata: { name: "Not_A_Name" } },
    says: /metadata\.name: Invalid value: "Not_A_Name": a.* RFC 1123 subdomain/,
  },
  {
    what: "a label value that is none",
    kind: virtualMachine,
    change: { metadata: { labels: { key: "not a value" } } },
    says: /metadata\.labels: Invalid value: "not a value"/,
  },
  {
    what: "another namespace than that of the request",
    kind: virtualMachine,
    change: { metadata: { namespace: "another" } },
    says: /namespace from the provided object "another" does not match the namespace/,
  },
  {
    what: "a field that does not exist",
    kind: reservation,
    change: { spec: { hosts: { count: 1, cuont: 1 } } },
    says: /unknown field "(spec\.hosts\.)?cuont"/,
    needs: ["strictValidation"],
  },
];

describe("kubectl is refused", () => {
  let session: KubectlSession;

  before(async function () {
    this.timeout(300_000);
    session = await KubectlSession.start();
  });

  after(() => session?.stop());

  for (const version of kubectlVersions) {
    describe(version, () => {
      let kubectl: Kubectl;

      before(async () => {
        kubectl = await session.kubectl(version);
      });

      const good = (kind: KindUnderTest, name: string): JsonObject => manifest(kind, name, kubectl.namespace);

      for (const refusal of refusals) {
        it(`${refusal.what} in a ${refusal.kind.kind}`, async function () {
          needs(this, session.server, ...(refusal.needs ?? []));
          const kind = { ...refusal.kind, change: { patch: refusal.change, jsonPath: "", value: "" } };
          const message = await kubectl.fails(["create", "-f", "-"], { input: changed(kind, good(kind, "refused")) });
          expect(message).to.match(refusal.says);
          expect(await kubectl.ok(["get", refusal.kind.resource, "--ignore-not-found", "-o", "name"])).to.not.contain(
            "refused",
          );
        });
      }

      it("an object without what it needs, all of it named", async () => {
        const input = { ...good(host, "refused"), spec: { address: "192.0.2.1" } };
        const message = await kubectl.fails(["create", "--validate=false", "-f", "-"], { input });
        expect(message)
          .to.contain("spec.hostKey: Required value")
          .and.contain("spec.identitySecretName: Required value");
      });

      it("to change what cannot change", async function () {
        needs(this, session.server, "cel");
        await kubectl.ok(["create", "-f", "-"], { input: good(virtualMachine, "fixed") });
        const patch = ["patch", "vvm", "fixed", "--type=merge", "-p", '{"spec":{"cpus":2}}'];
        expect(await kubectl.fails(patch)).to.match(/spec: Invalid value: .*: cpus, memory and disk cannot change/);
      });

      it("nothing, but loses unknown fields, when it asks not to validate", async () => {
        const input = { ...good(virtualMachine, "pruned"), extra: { a: 1 } };
        await kubectl.ok(["create", "--validate=false", "-f", "-"], { input });
        expect(await kubectl.get<JsonObject>("vvm", "pruned")).to.not.have.property("extra");
      });

      it("an object in a namespace that does not exist", async () => {
        const message = await kubectl.in("nowhere").fails(["create", "-f", "-"], {
          input: manifest(virtualMachine, "lost", "nowhere"),
        });
        expect(message).to.match(/\(NotFound\).*namespaces "nowhere" not found/);
      });

      it("a strategic merge patch of a custom resource, which no server does", async () => {
        await kubectl.ok(["create", "-f", "-"], { input: good(virtualMachine, "strategic") });
        const body = JSON.stringify({ spec: { hostName: "host-b" } });
        expect(await kubectl.fails(["patch", "vvm", "strategic", "--type=strategic", "-p", body])).to.match(
          /UnsupportedMediaType|strategic-merge-patch\+json is not supported/,
        );
      });

      it("server-side apply", async function () {
        needs(this, session.server, "no serverSideApply");
        const message = await kubectl.fails(["apply", "--server-side", "-f", "-"], {
          input: good(virtualMachine, "applied"),
        });
        expect(message).to.match(/server-side apply is not supported by this server/);
      });

      it("a body in protobuf", async function () {
        needs(this, session.server, "no protobufBodies");
        const command = ["create", "configmap", "literal", "--from-literal=key=value"];
        if (version === "1.20") {
          await kubectl.ok(command); // it sends JSON
          return;
        }
        expect(await kubectl.fails(command)).to.match(/protobuf request bodies are not supported by this server/);
      });

      it("to write a CustomResourceDefinition", async function () {
        needs(this, session.server, "no definitionWrites");
        const name = "vmhosts.vacate.dev";
        const present = loadDefinitions().find((definition) => definition.metadata.name === name);
        const other = { ...present, metadata: { name: "others.vacate.dev" } };
        const notAllowed = /MethodNotAllowed|not supported|does not allow/;
        expect(await kubectl.fails(["create", "--validate=false", "-f", "-"], { input: other })).to.match(notAllowed);
        expect(await kubectl.fails(["delete", "crd", name])).to.match(notAllowed);
        expect(await kubectl.fails(["label", "crd", name, "a=b"])).to.match(notAllowed);
        expect(await kubectl.ok(["get", "crd", "-o", "name"])).to.contain(name);
      });

      it("deletion in the foreground", async function () {
        needs(this, session.server, "no foregroundDeletion");
        await kubectl.ok(["create", "-f", "-"], { input: good(virtualMachine, "kept") });
        const message = await kubectl.fails(["delete", "vvm", "kept", "--cascade=foreground"]);
        expect(message).to.match(/Foreground/);
        await kubectl.ok(["get", "vvm", "kept"]);
      });

      it("everything with a wrong token", async () => {
        const config = JSON.parse(
          await kubectl.ok(["config", "view", "--minify", "--raw", "-o", "json"]),
        ) as KubeConfig;
        for (const { user } of config.users) user.token = "wrong";
        const file = join(session.server.folder, `wrong-${version}.kubeconfig`);
        await writeFile(file, JSON.stringify(config), { mode: 0o600 });
        for (const command of [
          ["get", "vvm"],
          ["get", "--raw", "/openapi/v2"],
          ["delete", "secrets", "--all"],
        ]) {
          const message = await kubectl.fails([...command, `--kubeconfig=${file}`]);
          expect(message).to.match(/must be logged in to the server|Unauthorized/);
        }
      });
    });
  }
});

interface KubeConfig {
  users: { user: { token: string } }[];
}
