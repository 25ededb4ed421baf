import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { dump } from "js-yaml";
import { type Kubectl, kubectlVersions } from "../../support/kubectl.ts";
import { KubectlSession } from "../../support/kubectl-session.ts";
import { allKinds, changed, type KindUnderTest, manifest, projectKinds } from "./kinds.ts";
import { KubectlBench, type StoredObject } from "./kubectl-bench.ts";

describe("kubectl with all kinds", () => {
  let session: KubectlSession;

  before(async function () {
    this.timeout(300_000); // the first run fetches kubectl
    session = await KubectlSession.start();
  });

  after(() => session?.stop());

  for (const version of kubectlVersions) {
    describe(version, () => {
      let bench: KubectlBench;
      let kubectl: Kubectl;

      before(async () => {
        bench = await KubectlBench.create(session, version);
        kubectl = bench.kubectl;
      });

      after(() => bench?.removeClusterScoped());

      for (const kind of projectKinds) {
        it(`should wait for a condition of a ${kind.kind}`, async () => {
          const name = await bench.create(kind);
          const command = ["wait", `${kind.resource}/${name}`, "--for=condition=Ready", "--timeout=1s"];
          expect(await kubectl.fails(command)).to.match(/timed out/);
          const wait = await bench.waiting(kind, name, "--for=condition=Ready");
          await bench.reportReady(kind, name);
          await wait.said(/condition met/);
          await wait.stop();
          expect(await kubectl.ok(command)).to.match(/condition met/);
        });

        it(`should leave the status of a ${kind.kind} alone when its manifest is applied or replaced`, async () => {
          const { name, object } = bench.made(kind);
          await kubectl.ok(["apply", "-f", "-"], { input: object });
          await bench.reportReady(kind, name);
          const before = await kubectl.get<StoredObject>(kind.resource, name);
          expect(before.metadata.generation).to.equal(1);
          await kubectl.ok(["apply", "-f", "-"], { input: changed(kind, object) });
          await kubectl.ok(["replace", "-f", "-"], { input: { ...object, status: { conditions: [] } } });
          const after = await kubectl.get<StoredObject>(kind.resource, name);
          expect(after.status).to.deep.equal(before.status);
          expect(after.metadata.generation).to.equal(3);
        });
      }

      it("should show the events of an object when it describes it", async () => {
        const kind = projectKinds.find((candidate) => candidate.kind === "Reservation") as KindUnderTest;
        const name = await bench.create(kind);
        const { metadata } = await kubectl.get<StoredObject>(kind.resource, name);
        const event = manifest(
          allKinds.find((candidate) => candidate.kind === "Event") as KindUnderTest,
          name,
          kubectl.namespace,
        );
        const involvedObject = {
          apiVersion: kind.apiVersion,
          kind: kind.kind,
          name,
          namespace: kubectl.namespace,
          uid: metadata.uid,
        };
        await kubectl.ok(["create", "-f", "-"], { input: { ...event, involvedObject } });
        expect(await kubectl.ok(["describe", kind.resource, name])).to.match(
          /^Events:[\s\S]*Normal +Tried .*first words/m,
        );
        expect(await kubectl.ok(["get", "events", "--field-selector", `involvedObject.name=${name}`])).to.contain(
          `reservation/${name}`,
        );
      });

      it("should find the resources, short names and categories", async () => {
        const resources = await kubectl.ok(["api-resources"]);
        for (const kind of allKinds) {
          expect(resources).to.match(new RegExp(`^${kind.resource} .*${kind.namespaced} +${kind.kind}\\b`, "m"));
        }
        const vacate = await kubectl.ok(["api-resources", "--api-group=vacate.dev", "-o", "name"]);
        expect(vacate.trim().split("\n")).to.have.members(projectKinds.map((kind) => `${kind.resource}.vacate.dev`));
        expect(await kubectl.ok(["api-versions"])).to.match(/^vacate\.dev\/v1alpha1$/m);
        const name = await bench.create(projectKinds[1] as KindUnderTest);
        expect(await kubectl.ok(["get", "vacate", "-o", "name"])).to.contain(`virtualmachine.vacate.dev/${name}`);
      });

      it("should say what one may do", async () => {
        expect(await kubectl.ok(["auth", "can-i", "create", "reservations.vacate.dev"])).to.match(/^yes/m);
        expect(await kubectl.ok(["auth", "can-i", "delete", "secrets"])).to.match(/^yes/m);
      });

      it("should apply a file with several objects", async () => {
        const [first, second] = [
          bench.made(projectKinds[1] as KindUnderTest),
          bench.made(projectKinds[2] as KindUnderTest),
        ];
        const file = join(session.server.folder, `several-${version}.yaml`);
        await writeFile(file, `${dump(first.object)}---\n${dump(second.object)}`);
        expect((await kubectl.ok(["apply", "-f", file])).trim().split("\n")).to.have.lengthOf(2);
        expect((await kubectl.ok(["get", "-f", file, "-o", "name"])).trim().split("\n")).to.have.lengthOf(2);
        await kubectl.ok(["delete", "-f", file]);
      });
    });
  }
});
