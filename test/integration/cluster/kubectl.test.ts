import { randomBytes } from "node:crypto";
import { expect } from "chai";
import type { JsonObject } from "../../../src/apiserver/resource.ts";
import { type Kubectl, kubectlVersions } from "../../support/kubectl.ts";
import { KubectlSession } from "../../support/kubectl-session.ts";
import { allKinds, changed } from "./kinds.ts";
import { KubectlBench, type StoredObject } from "./kubectl-bench.ts";

/** The columns of the first line that kubectl printed, which are at least two spaces apart where names have one. */
function header(table: string): string[] {
  return (table.split("\n")[0] ?? "").trim().split(/\s{2,}/);
}

describe("kubectl", () => {
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

      for (const kind of allKinds) {
        describe(`on a ${kind.kind}`, () => {
          const plain = kind.kind.toLowerCase();
          const printed = kind.isBuiltIn ? plain : `${plain}.vacate.dev`;
          const changedValue = (name: string): Promise<string> =>
            kubectl.ok(["get", kind.resource, name, "-o", `jsonpath=${kind.change.jsonPath}`]);

          it("should apply it new, unchanged and changed, and find nothing to do again", async () => {
            const { name, object } = bench.made(kind);
            const apply = (input: JsonObject): Promise<string> => kubectl.ok(["apply", "-f", "-"], { input });
            expect(await apply(object)).to.equal(`${printed}/${name} created\n`);
            const first = await kubectl.get<StoredObject>(kind.resource, name);
            expect(await apply(object)).to.equal(`${printed}/${name} unchanged\n`);
            const second = await kubectl.get<StoredObject>(kind.resource, name);
            expect(second.metadata.resourceVersion).to.equal(first.metadata.resourceVersion);
            expect(await apply(changed(kind, object))).to.equal(`${printed}/${name} configured\n`);
            expect(await changedValue(name)).to.equal(kind.change.value);
            if (kind.hasConditions) {
              const third = await kubectl.get<StoredObject>(kind.resource, name);
              expect([first.metadata.generation, third.metadata.generation]).to.deep.equal([1, 2]);
            }
          });

          it("should create it once, replace it, and refuse to replace an older version of it", async () => {
            const { name, object } = bench.made(kind);
            expect(await kubectl.ok(["create", "-f", "-"], { input: object })).to.equal(`${printed}/${name} created\n`);
            expect(await kubectl.fails(["create", "-f", "-"], { input: object })).to.match(
              /AlreadyExists.*already exists/,
            );
            const stored = await kubectl.get<JsonObject>(kind.resource, name);
            const newer = changed(kind, stored);
            expect(await kubectl.ok(["replace", "-f", "-"], { input: newer })).to.match(/ replaced\n$/);
            expect(await changedValue(name)).to.equal(kind.change.value);
            expect(await kubectl.fails(["replace", "-f", "-"], { input: newer })).to.match(
              /Conflict.*the object has been modified/,
            );
          });

          it("should show it in every format", async () => {
            const name = await bench.create(kind, { color: "blue" });
            const get = (...args: string[]): Promise<string> => kubectl.ok(["get", kind.resource, name, ...args]);
            expect(header(await get())).to.deep.equal(kind.columns);
            const wide = header(await get("-o", "wide"));
            expect(wide).to.have.members([...kind.columns, ...kind.wideColumns]);
            expect(await get("-o", "name")).to.equal(`${printed}/${name}\n`);
            expect(JSON.parse(await get("-o", "json"))).to.deep.include({
              kind: kind.kind,
              apiVersion: kind.apiVersion,
            });
            expect(await get("-o", "yaml")).to.match(new RegExp(`^kind: ${kind.kind}$`, "m"));
            expect(await get("-o", "jsonpath={.metadata.labels.color}")).to.equal("blue");
            expect(await get("-o", "custom-columns=N:.metadata.name,C:.metadata.labels.color")).to.match(
              new RegExp(`^N +C\n${name} +blue\n$`),
            );
            expect(await get("--show-labels")).to.contain("color=blue");
            expect(await kubectl.ok(["get", kind.shortName, name, "-o", "name"])).to.equal(`${printed}/${name}\n`);
          });

          it("should select by label and by name, in all namespaces, and sort", async () => {
            const group = `g${randomBytes(3).toString("hex")}`;
            const created = [
              await bench.create(kind, { group, rank: "b" }),
              await bench.create(kind, { group, rank: "a" }),
            ];
            const list = async (...args: string[]): Promise<string[]> =>
              (await kubectl.ok(["get", kind.resource, "-o", "name", ...args])).trim().split("\n").filter(Boolean);
            const full = created.map((name) => `${printed}/${name}`);
            expect(await list("-l", `group=${group}`)).to.have.members(full);
            expect(await list("-l", `group=${group},rank!=b`)).to.deep.equal(full.slice(1));
            expect(await list("-l", `group in (${group}),rank in (b,c)`)).to.deep.equal(full.slice(0, 1));
            expect(await list("--field-selector", `metadata.name=${created[1]}`)).to.deep.equal(full.slice(1));
            expect(await list("-A", "-l", `group=${group}`)).to.have.members(full);
            const sorted = await kubectl.ok([
              "get",
              kind.resource,
              "-l",
              `group=${group}`,
              "--sort-by=.metadata.labels.rank",
            ]);
            expect(sorted.trim().split("\n")).to.have.lengthOf(3);
            if (kind.kind !== "Event")
              expect(sorted.indexOf(created[1] ?? "")).to.be.lessThan(sorted.indexOf(created[0] ?? ""));
          });

          it("should patch, label, annotate and edit it", async () => {
            const name = await bench.create(kind);
            const patch = JSON.stringify(kind.change.patch);
            await kubectl.ok(["patch", kind.resource, name, "--type=merge", "-p", patch]);
            expect(await changedValue(name)).to.equal(kind.change.value);
            const add = JSON.stringify([{ op: "add", path: "/metadata/labels", value: { step: "one" } }]);
            await kubectl.ok(["patch", kind.resource, name, "--type=json", "-p", add]);
            const wrongTest = JSON.stringify([{ op: "test", path: "/metadata/labels/step", value: "other" }]);
            await kubectl.fails(["patch", kind.resource, name, "--type=json", "-p", wrongTest]);
            expect(await kubectl.fails(["label", kind.resource, name, "step=two"])).to.match(/--overwrite is false/);
            await kubectl.ok(["label", kind.resource, name, "step=two", "--overwrite"]);
            await kubectl.ok(["annotate", kind.resource, name, "note=for people"]);
            await kubectl.ok(["edit", kind.resource, name], {
              environment: { KUBE_EDITOR: "sed -i s/step:.two/step:\\ three/" },
            });
            const { metadata } = await kubectl.get<StoredObject>(kind.resource, name);
            expect(metadata.labels).to.include({ step: "three" });
            expect(metadata.annotations).to.deep.equal({ note: "for people" });
            await kubectl.ok(["label", kind.resource, name, "step-"]);
            const without = await kubectl.get<StoredObject>(kind.resource, name);
            expect(without.metadata.labels ?? {}).to.not.have.property("step");
          });

          it("should show what an apply would change, and try it without storing it", async () => {
            const { name, object } = bench.made(kind);
            const other = changed(kind, object);
            expect(await kubectl.ok(["apply", "--dry-run=server", "-f", "-"], { input: object })).to.equal(
              `${printed}/${name} created (server dry run)\n`,
            );
            expect(await kubectl.fails(["get", kind.resource, name])).to.match(/NotFound/);
            await kubectl.ok(["apply", "-f", "-"], { input: object });
            await kubectl.ok(["diff", "-f", "-"], { input: object });
            const { code, stdout } = await kubectl.run(["diff", "-f", "-"], { input: other });
            expect(code).to.equal(1);
            // The values of secrets are hidden by newer versions.
            const value = kind.kind === "Secret" ? `(${kind.change.value}|\\*\\*\\*)` : kind.change.value;
            expect(stdout).to.match(new RegExp(`^\\+.*${value}`, "m"));
            expect(await kubectl.ok(["apply", "--dry-run=server", "-f", "-"], { input: other })).to.equal(
              `${printed}/${name} configured (server dry run)\n`,
            );
            expect(await changedValue(name)).to.not.equal(kind.change.value);
          });

          it("should describe and explain it", async () => {
            const name = await bench.create(kind, { color: "blue" });
            expect(await kubectl.ok(["describe", kind.resource, name])).to.match(/^Labels: +color=blue$/m);
            const { field, text } = kind.explain;
            const explained = await kubectl.ok(["explain", `${kind.resource}.${field}`]);
            expect(explained).to.match(/^DESCRIPTION:\n +\w/m);
            expect(explained.replaceAll(/\s+/g, " ")).to.contain(text ?? "DESCRIPTION");
            expect(await kubectl.ok(["explain", kind.resource, "--recursive"])).to.match(/ownerReferences/);
            expect(await kubectl.fails(["explain", `${kind.resource}.nonsense`])).to.match(/nonsense.*does not exist/);
          });

          it("should watch it change", async () => {
            const name = await bench.create(kind, { color: "blue" });
            const watch = kubectl.start([
              "get",
              kind.resource,
              "--watch",
              "-L",
              "color",
              "--field-selector",
              `metadata.name=${name}`,
            ]);
            try {
              await watch.said(/blue/);
              await bench.modern.ok(["label", kind.resource, name, "color=green", "--overwrite"]);
              await watch.said(/green/);
              expect(watch.text.match(/NAME|LAST SEEN/g)).to.have.lengthOf(1);
            } finally {
              await watch.stop();
            }
          });

          it("should delete it by name, by file and by label, and wait until it is gone", async () => {
            const group = `g${randomBytes(3).toString("hex")}`;
            const [byName, byLabel] = [await bench.create(kind), await bench.create(kind, { group })];
            const byFile = bench.made(kind);
            await kubectl.ok(["create", "-f", "-"], { input: byFile.object });
            const wait = await bench.waiting(kind, byName, "--for=delete");
            expect(await kubectl.ok(["delete", kind.resource, byName])).to.contain(`"${byName}" deleted`);
            await wait.said(/condition met/);
            await wait.stop();
            expect(await kubectl.ok(["delete", "-f", "-"], { input: byFile.object })).to.contain(
              `"${byFile.name}" deleted`,
            );
            expect(await kubectl.ok(["delete", kind.resource, "-l", `group=${group}`])).to.contain(
              `"${byLabel}" deleted`,
            );
            for (const name of [byName, byFile.name, byLabel]) {
              expect(await kubectl.fails(["get", kind.resource, name])).to.match(/\(NotFound\)/);
              expect(await kubectl.ok(["delete", kind.resource, name, "--ignore-not-found"])).to.equal("");
            }
          });
        });
      }
    });
  }
});
