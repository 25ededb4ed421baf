import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Kubectl } from "../../support/kubectl.ts";
import { type ServerUnderTest, startServerUnderTest } from "../../support/server-under-test.ts";

const manifests = new URL("../../../manifests/", import.meta.url).pathname;

describe("manifests/", () => {
  let server: ServerUnderTest;
  let kubectl: Kubectl;

  before(async () => {
    server = await startServerUnderTest();
    kubectl = await Kubectl.create("1.32", server.kubeconfigPath, join(server.folder, "cache"));
  });

  after(() => server.stop());

  it("should be built by kustomize, with every custom resource in it", async () => {
    const built = await kubectl.run(["kustomize", manifests]);
    expect(built.stderr).to.equal("");
    const names = [...built.stdout.matchAll(/^ {2}name: (.+)$/gm)].map(([, name]) => name);
    for (const plural of ["overheadmodels", "reservations", "virtualmachines", "vmhosts"]) {
      expect(names).to.include(`${plural}.vacate.dev`);
    }
    expect(names).to.include.members(["vacate-system", "vacate"]);
  });

  for (const file of readdirSync(join(manifests, "samples"))) {
    it(`should hold a sample that the server takes: ${file}`, async () => {
      const answer = await kubectl.run(["apply", "--dry-run=server", "-f", join(manifests, "samples", file)]);
      expect(answer.stderr).to.equal("");
      expect(answer.stdout).to.match(/created \(server dry run\)/);
    });
  }
});
