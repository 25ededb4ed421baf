import { expect } from "chai";
import { builtInDefinitions } from "../../../../src/apiserver/builtin/definitions.ts";
import type { KubernetesObject } from "../../../../src/apiserver/resource.ts";
import { humanAge, humanDuration } from "../../../../src/apiserver/table/human-age.ts";
import { compileJsonPath } from "../../../../src/apiserver/table/json-path.ts";
import { type Table, toTable } from "../../../../src/apiserver/table/table.ts";
import { projectDefinition, projectDefinitions, resourceDefinition } from "../../../support/resource-definitions.ts";

const now = new Date("2030-01-01T12:00:00Z");

function object(more: Record<string, unknown> = {}): KubernetesObject {
  const metadata = { name: "one", uid: "u", resourceVersion: "7", creationTimestamp: "2030-01-01T11:55:30Z" };
  return { apiVersion: "v1", kind: "Thing", metadata, ...more };
}

function cells(table: Table): Record<string, unknown> {
  return Object.fromEntries(table.columnDefinitions.map((column, index) => [column.name, table.rows[0]?.cells[index]]));
}

describe("humanDuration", () => {
  const minute = 60;
  const hour = 60 * minute;
  const day = 24 * hour;
  const cases: [number, string][] = [
    [-2, "<invalid>"],
    [-1, "0s"],
    [0, "0s"],
    [119, "119s"],
    [2 * minute, "2m"],
    [2 * minute + 5, "2m5s"],
    [10 * minute + 5, "10m"],
    [3 * hour - 1, "179m"],
    [3 * hour, "3h"],
    [3 * hour + 20 * minute, "3h20m"],
    [8 * hour + 59 * minute, "8h"],
    [2 * day, "2d"],
    [2 * day + 3 * hour, "2d3h"],
    [8 * day + 3 * hour, "8d"],
    [730 * day - 1, "729d"],
    [730 * day, "2y"],
    [731 * day, "2y1d"],
    [8 * 365 * day, "8y"],
  ];
  for (const [seconds, text] of cases) {
    it(`should show ${seconds} seconds as ${text}`, () => {
      expect(humanDuration(seconds * 1000)).to.equal(text);
    });
  }

  it("should say so when there is no time, or none that can be read", () => {
    expect(humanAge(undefined, now)).to.equal("<unknown>");
    expect(humanAge("soon", now)).to.equal("<invalid>");
  });
});

describe("compileJsonPath", () => {
  const conditions = [
    { type: "Ready", status: "True", n: 1 },
    { type: "Other", status: "False", n: 2 },
  ];
  const data = { a: { b: [1, 2, 3], "c.d": "dotted" }, conditions };
  const cases: [string, unknown[]][] = [
    [".a.b[1]", [2]],
    [".a.b[9]", []],
    [".a.b[*]", [1, 2, 3]],
    [".a['c.d']", ["dotted"]],
    [".a.c\\.d", ["dotted"]],
    ["$.a.b[0]", [1]],
    ["{.a.b[0]}", [1]],
    ['.conditions[?(@.type=="Ready")].status', ["True"]],
    [".conditions[?(@.type == 'Other')].status", ["False"]],
    ['.conditions[?(@.type!="Ready")].status', ["False"]],
    [".conditions[?(@.n==2)].type", ["Other"]],
    ['.conditions[?(@.type=="None")].status', []],
    [".missing.deep", []],
    [".constructor", []],
  ];
  for (const [path, expected] of cases) {
    it(`should find ${path}`, () => {
      expect(compileJsonPath(path)(data)).to.deep.equal(expected);
    });
  }

  for (const path of [".a[", ".a[?(@.b>1)]", ".a b", "a.b"]) {
    it(`should refuse ${path}`, () => {
      expect(() => compileJsonPath(path)).to.throw(path);
    });
  }
});

describe("toTable", () => {
  it("should understand every column of the project's definitions", () => {
    for (const definition of projectDefinitions()) {
      const table = toTable(definition, [object()], "Metadata", now);
      expect(table.columnDefinitions[0]).to.include({ name: "Name", format: "name" });
      expect(cells(table)).to.include({ Name: "one", Age: "4m30s" });
    }
  });

  it("should fill a host's columns from conditions, lists and numbers", () => {
    const conditions = [{ type: "Ready", status: "True", reason: "Connected" }];
    const holds = [{ reservation: { name: "experiment" }, start: "2030-01-02T00:00:00Z" }];
    const status = { conditions, holds, allocated: { virtualMachines: 0 }, capacity: { cpus: 8, memory: "16Gi" } };
    const table = toTable(projectDefinition("VMHost"), [object({ status })], "None", now);
    expect(cells(table)).to.include({
      Ready: "True",
      Reason: "Connected",
      VMs: 0,
      CPUs: 8,
      Memory: "16Gi",
      "Held-By": "experiment",
      Driver: null,
    });
    expect(table.rows[0]?.object).to.equal(null);
    const wide = table.columnDefinitions.filter((column) => column.priority > 0).map((column) => column.name);
    expect(wide).to.deep.equal(["Address", "Driver", "State"]);
  });

  it("should show the age when a definition has no columns", () => {
    const table = toTable(resourceDefinition(), [object()], "Metadata", now);
    expect(table.columnDefinitions.map((column) => column.name)).to.deep.equal(["Name", "Age"]);
    expect(table.rows[0]?.object).to.deep.equal({
      kind: "PartialObjectMetadata",
      apiVersion: "meta.k8s.io/v1",
      metadata: object().metadata,
    });
  });

  it("should carry the whole object when asked, and the version of meta.k8s.io that was asked for", () => {
    const table = toTable(resourceDefinition(), [object()], "Object", now, "v1beta1");
    expect(table.apiVersion).to.equal("meta.k8s.io/v1beta1");
    expect(table.rows[0]?.object).to.deep.equal(object());
  });

  it("should show nothing rather than a value of the wrong type", () => {
    const printerColumns = ["integer", "number", "boolean", "string", "date"].map((type) => ({
      name: type,
      type,
      jsonPath: ".value",
    }));
    const definition = resourceDefinition({ printerColumns });
    expect(cells(toTable(definition, [object({ value: { a: 1 } })], "None", now))).to.deep.include({
      integer: null,
      number: null,
      boolean: null,
      string: '{"a":1}',
      date: "<invalid>",
    });
    expect(cells(toTable(definition, [object({ value: 1.5 })], "None", now))).to.deep.include({
      integer: 1,
      number: 1.5,
    });
  });

  describe("of built-in kinds", () => {
    const row = (plural: string, more: Record<string, unknown>): Record<string, unknown> => {
      const definition = builtInDefinitions.find((candidate) => candidate.plural === plural);
      return definition ? cells(toTable(definition, [object(more)], "None", now)) : {};
    };

    it("should count data and show types, phases and holders", () => {
      expect(row("namespaces", { status: { phase: "Active" } })).to.include({ Name: "one", Status: "Active" });
      expect(row("secrets", { type: "Opaque", data: { a: "YQ==", b: "Yg==" } })).to.include({
        Type: "Opaque",
        Data: 2,
      });
      expect(row("configmaps", { data: { a: "a" }, binaryData: { b: "Yg==" } })).to.include({
        Data: 2,
        Age: "4m30s",
      });
      expect(row("configmaps", {})).to.include({ Data: 0 });
      expect(row("leases", { spec: { holderIdentity: "me" } })).to.include({ Holder: "me" });
    });

    it("should show events of both APIs", () => {
      const involved = { kind: "VMHost", name: "host-a" };
      const core = {
        type: "Normal",
        reason: "Connected",
        message: "fine\n",
        count: 3,
        firstTimestamp: "2030-01-01T11:00:00Z",
        lastTimestamp: "2030-01-01T11:59:00Z",
        involvedObject: involved,
        source: { component: "vacate", host: "here" },
      };
      expect(row("events", core)).to.deep.equal({
        "Last Seen": "60s",
        Type: "Normal",
        Reason: "Connected",
        Object: "vmhost/host-a",
        Subobject: "",
        Source: "vacate",
        Message: "fine",
        "First Seen": "60m",
        Count: 3,
        Name: "one",
      });
      const modern = {
        eventTime: "2030-01-01T11:00:00.000000Z",
        series: { count: 9, lastObservedTime: "2030-01-01T11:59:30.000000Z" },
        source: { component: "vacate" },
        involvedObject: involved,
      };
      expect(row("events", modern)).to.include({ "Last Seen": "30s", "First Seen": "60m", Count: 9, Source: "vacate" });
      expect(row("events", {})).to.include({ "Last Seen": "<unknown>", Count: 1 });
    });
  });
});
