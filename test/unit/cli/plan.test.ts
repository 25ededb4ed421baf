import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Reservation } from "../../../src/api/resources.ts";
import { clusterFromManifests } from "../../../src/cli/cluster-objects.ts";
import { ManifestReader } from "../../../src/cli/manifests.ts";
import { whatIf } from "../../../src/cli/plan.ts";
import { UsageError } from "../../../src/cli/usage.ts";

const now = new Date("2030-01-01T00:00:00Z");

const host = (name: string, extra = "") => `
apiVersion: vacate.dev/v1alpha1
kind: VMHost
metadata: { name: ${name} }
spec: { address: 192.0.2.1, hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample", identitySecretName: identity }
status: { capacity: { cpus: 8, memory: 8Gi }${extra} }
---`;
const machine = (name: string, home: string) => `
apiVersion: vacate.dev/v1alpha1
kind: VirtualMachine
metadata: { name: ${name} }
spec: { cpus: 1, memory: 512Mi, hostName: ${home}, disk: { image: counter } }
---`;
const reservation = (spec = "hosts: { count: 1 }", start = "2030-01-01T02:00:00Z") => `
apiVersion: vacate.dev/v1alpha1
kind: Reservation
metadata: { name: experiment }
spec: { ${spec}, window: { start: "${start}", duration: 1h } }
`;
const lab = host("host-a") + host("host-b") + machine("small", "host-a") + machine("large", "host-b");

describe("vacate plan", () => {
  let folder: string;
  const reader = new ManifestReader();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "vacate-plan-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const file = (text: string, name = "file.yaml") => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const answer = (wanted: string, manifests = lab) => {
    const objects = clusterFromManifests("lab", reader.read(file(manifests, "lab.yaml")));
    return whatIf("r.yaml", reader.read(file(wanted, "r.yaml"))[0] as Reservation, objects, now);
  };
  const refusedInput = (run: () => unknown, message: RegExp) => expect(run).to.throw(UsageError, message);

  it("should plan against manifests: a VM without status runs at its home, a host without conditions is ready", () => {
    const { plan } = answer(reservation());
    expect(plan?.hosts).to.have.length(1);
    expect(plan?.moves.map(({ from, to }) => [from, to].sort())).to.deep.equal([["host-a", "host-b"]]);
  });

  it("should say which constraint binds when there is no plan", () => {
    expect(answer(reservation("hosts: { count: 3 }")).refusal).to.include({ reason: "InsufficientHosts" });
    expect(answer(reservation("hosts: { count: 2 }")).refusal?.reason).to.equal("InsufficientCapacity");
    expect(answer(reservation(undefined, "2029-01-01T00:00:00Z")).refusal?.reason).to.equal("WindowInPast");
  });

  it("should respect what others hold, and count the reservation's own holds as free", () => {
    const holdOf = (name: string, uid: string) =>
      `, holds: [{ reservation: { namespace: default, name: ${name}, uid: ${uid} }, since: "2029-12-31T00:00:00Z", start: "2030-01-01T01:30:00Z", end: "2030-01-01T02:30:00Z" }]`;
    const held = (name: string) => host("host-a", holdOf(name, "uid-1")) + host("host-b", holdOf(name, "uid-1"));
    const own = reservation().replace("name: experiment", "name: experiment, uid: uid-1");
    expect(answer(reservation(), held("other")).refusal?.reason).to.equal("Conflict");
    expect(answer(reservation(), `${held("experiment")}${own}`).plan?.hosts).to.deep.equal(["host-a"]);
  });

  it("should name file, object and field of wrong input", () => {
    const wrong = (text: string, message: RegExp) => refusedInput(() => reader.read(file(text)), message);
    wrong(reservation("hosts: { count: many }"), /file.yaml: Reservation default\/experiment: spec.hosts.count/);
    wrong(reservation("hosts: { cunt: 1 }"), /spec.hosts.cunt: there is no such field/);
    wrong("apiVersion: vacate.dev/v1\nkind: Reservation\nmetadata: { name: x }", /no kind vacate.dev\/v1 /);
    wrong("a: [", /file.yaml: /);
    wrong("- text", /file.yaml: .*is no object/);
    refusedInput(() => reader.read(join(folder, "missing.yaml")), /missing.yaml cannot be read/);
  });

  it("should refuse manifests of a host without capacity and of two objects with one name", () => {
    refusedInput(() => answer(reservation(), host("host-a").replace(/status:.*/, "")), /status.capacity/);
    refusedInput(() => answer(reservation(), host("host-a") + host("host-a")), /VMHost host-a is there twice/);
  });

  it("should end with 0, 1 or 2 and write nothing but the answer to standard output", () => {
    file(lab, "lab.yaml");
    const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
    const run = (input: string, format = "json") =>
      spawnSync(process.execPath, [main, "plan", "-f", "-", "--from-dir", folder, "-o", format], {
        input,
        encoding: "utf8",
      });
    const start = new Date(Date.now() + 3600_000).toISOString();
    const feasible = run(reservation(undefined, start));
    expect(feasible.status, feasible.stderr).to.equal(0);
    expect(JSON.parse(feasible.stdout)).to.include({ feasible: true, reservation: "default/experiment" });
    const infeasible = run(reservation("hosts: { count: 5 }", start));
    expect(infeasible.status).to.equal(1);
    expect(JSON.parse(infeasible.stdout)).to.include({ feasible: false, reason: "InsufficientHosts" });
    const wrong = run(reservation("hosts: {}", start));
    expect([wrong.status, wrong.stdout]).to.deep.equal([2, ""]);
    expect(wrong.stderr).to.include("spec.hosts.count");
  }).timeout(20_000);
});
