import { expect } from "chai";
import type { VirtualMachine } from "../../../src/api/resources.ts";
import { wantedHost } from "../../../src/api/wanted-host.ts";
import type { JsonObject } from "../../../src/apiserver/resource.ts";
import { type Kubectl, kubectlVersions } from "../../support/kubectl.ts";
import { KubectlSession } from "../../support/kubectl-session.ts";
import { type Capability, needs } from "../../support/server-under-test.ts";
import { type KindUnderTest, manifest, projectKinds } from "./kinds.ts";

const virtualMachine = projectKinds.find((kind) => kind.kind === "VirtualMachine") as KindUnderTest;
const reservationUid = "5f0e7f8a-0000-4000-8000-000000000001";
const holding = new Set([reservationUid]);
const nobodyHolds = new Set<string>();

/** What the user does while the planner's assignment stands, and where the VM belongs afterwards. */
interface Row {
  does: string;
  write: (kubectl: Kubectl, manifests: { same: JsonObject; withoutHome: JsonObject }) => Promise<unknown>;
  /** Where it should be while the reservation holds its hosts, and once it holds none any more. */
  during: string;
  afterwards: string;
  needs?: Capability;
}

const apply =
  (input: JsonObject, ...flags: string[]) =>
  (kubectl: Kubectl) =>
    kubectl.ok(["apply", ...flags, "-f", "-"], { input });

const rows: Row[] = [
  {
    does: "applies the unchanged manifest",
    write: (kubectl, { same }) => apply(same)(kubectl),
    during: "host-b",
    afterwards: "host-a",
  },
  {
    does: "applies the unchanged manifest on the server's side",
    write: (kubectl, { same }) => apply(same, "--server-side")(kubectl),
    during: "host-b",
    afterwards: "host-a",
    needs: "serverSideApply",
  },
  {
    does: "applies the unchanged manifest on the server's side by force",
    write: (kubectl, { same }) => apply(same, "--server-side", "--force-conflicts")(kubectl),
    during: "host-b",
    afterwards: "host-a",
    needs: "serverSideApply",
  },
  {
    does: "replaces it by the manifest",
    write: (kubectl, { same }) => kubectl.ok(["replace", "-f", "-"], { input: same }),
    during: "host-b",
    afterwards: "host-a",
  },
  {
    does: "removes the line with the home and applies",
    write: (kubectl, { withoutHome }) => apply(withoutHome)(kubectl),
    during: "host-b",
    afterwards: "host-now",
  },
  {
    does: "removes the line with the home and replaces",
    write: (kubectl, { withoutHome }) => kubectl.ok(["replace", "-f", "-"], { input: withoutHome }),
    during: "host-b",
    afterwards: "host-now",
  },
  {
    does: "writes an assignment of their own into the manifest",
    write: (kubectl, { same }) =>
      apply({ ...same, status: { assignment: { hostName: "host-c", by: { kind: "Scheduler" } } } })(kubectl),
    during: "host-b",
    afterwards: "host-a",
  },
  {
    does: "sets another home",
    write: (kubectl) => kubectl.ok(["patch", "vvm", "moved", "--type=merge", "-p", '{"spec":{"hostName":"host-d"}}']),
    during: "host-b",
    afterwards: "host-d",
  },
];

describe("who wins when the planner has assigned host-b and the user", () => {
  let session: KubectlSession;

  before(async function () {
    this.timeout(300_000);
    session = await KubectlSession.start();
  });

  after(() => session?.stop());

  for (const version of kubectlVersions) {
    describe(`with kubectl ${version}`, () => {
      let kubectl: Kubectl;
      let planner: Kubectl;

      before(async () => {
        kubectl = await session.kubectl(version);
        planner = await session.modern(kubectl);
      });

      const assignment = {
        hostName: "host-b",
        by: { kind: "Reservation", namespace: "default", name: "experiment", uid: reservationUid },
      };

      const read = (): Promise<VirtualMachine> => kubectl.get<VirtualMachine>("vvm", "moved");

      async function begin(): Promise<{ same: JsonObject; withoutHome: JsonObject }> {
        const withoutHome = manifest(virtualMachine, "moved", kubectl.namespace);
        const same = { ...withoutHome, spec: { ...(withoutHome.spec as JsonObject), hostName: "host-a" } };
        await kubectl.ok(["delete", "vvm", "moved", "--ignore-not-found"]);
        await apply(same)(kubectl);
        const status = JSON.stringify({ status: { hostName: "host-now", assignment } });
        await planner.ok(["patch", "vvm", "moved", "--subresource=status", "--type=merge", "-p", status]);
        const vm = await read();
        expect(wantedHost(vm, holding)).to.equal("host-b");
        expect(vm.spec.hostName).to.equal("host-a");
        return { same, withoutHome };
      }

      for (const row of rows) {
        it(row.does, async function () {
          if (row.needs) needs(this, session.server, row.needs);
          await row.write(kubectl, await begin());
          const vm = await read();
          expect(vm.status).to.deep.equal({ hostName: "host-now", assignment });
          expect(wantedHost(vm, holding)).to.equal(row.during);
          expect(wantedHost(vm, nobodyHolds)).to.equal(row.afterwards);
        });
      }

      it("applies on the server's side where that is refused", async function () {
        needs(this, session.server, "no serverSideApply");
        const { same } = await begin();
        const before = await read();
        for (const force of [[], ["--force-conflicts"]]) {
          const message = await kubectl.fails(["apply", "--server-side", ...force, "-f", "-"], { input: same });
          expect(message).to.match(/server-side apply is not supported by this server/);
        }
        expect(await read()).to.deep.equal(before);
      });
    });
  }
});
