import { expect } from "chai";
import type { JsonObject } from "../../../../src/apiserver/resource.ts";
import type { Cause } from "../../../../src/apiserver/schema/cause.ts";
import { compileSchema, type ObjectSchema } from "../../../../src/apiserver/schema/compile-schema.ts";
import { projectDefinition, resourceDefinition } from "../../../support/resource-definitions.ts";

const hostKey = `ssh-ed25519 ${"A".repeat(68)}`;

function object(kind: string, spec: JsonObject, more: JsonObject = {}): JsonObject {
  return { apiVersion: "vacate.dev/v1alpha1", kind, metadata: { name: "one" }, spec, ...more };
}

const reservation = (changes: JsonObject = {}): JsonObject =>
  object("Reservation", {
    hosts: { count: 2 },
    window: { start: "2030-01-31T09:00:00Z", duration: "90m" },
    ...changes,
  });
const virtualMachine = (changes: JsonObject = {}): JsonObject =>
  object("VirtualMachine", { cpus: 1, memory: "512Mi", disk: { image: "busybox" }, ...changes });
const host = (changes: JsonObject = {}): JsonObject =>
  object("VMHost", { address: "192.0.2.1", hostKey, identitySecretName: "identity", ...changes });

/** As the server treats a write: prune, default, validate. */
function admit(schema: ObjectSchema, candidate: JsonObject, old?: JsonObject): Cause[] {
  schema.prune(candidate);
  schema.applyDefaults(candidate);
  return schema.validate(candidate, old);
}

function describeCauses(causes: Cause[]): string {
  return causes.map((cause) => `${cause.field}: ${cause.message}`).join(", ");
}

function compile(schema: JsonObject): ObjectSchema {
  return compileSchema(resourceDefinition({ schema }));
}

describe("compileSchema", () => {
  const schemas = {
    Reservation: compileSchema(projectDefinition("Reservation")),
    VirtualMachine: compileSchema(projectDefinition("VirtualMachine")),
    VMHost: compileSchema(projectDefinition("VMHost")),
    OverheadModel: compileSchema(projectDefinition("OverheadModel")),
  };

  describe("on the project's definitions", () => {
    const valid: [keyof typeof schemas, JsonObject][] = [
      ["Reservation", reservation()],
      ["VirtualMachine", virtualMachine({ hostName: "host-a" })],
      ["VMHost", host({ reservableFrom: ["a", "b"] })],
      ["OverheadModel", object("OverheadModel", {})],
    ];
    for (const [kind, candidate] of valid) {
      it(`should accept a good ${kind}`, () => {
        expect(admit(schemas[kind], structuredClone(candidate))).to.deep.equal([]);
      });
    }

    const selector = (values: JsonObject): JsonObject => ({
      hosts: { count: 1, selector: { matchExpressions: [{ key: "a", ...values }] } },
    });
    const bad: [string, keyof typeof schemas, JsonObject, string][] = [
      ["a missing spec", "Reservation", { kind: "Reservation", metadata: { name: "x" } }, "spec: Required value"],
      [
        "a missing nested field",
        "VMHost",
        object("VMHost", { address: "a", hostKey }),
        "spec.identitySecretName: Required value",
      ],
      [
        "a string for a number",
        "VirtualMachine",
        virtualMachine({ cpus: "two" }),
        'spec.cpus: Invalid value: "string": spec.cpus in body must be of type integer: "string"',
      ],
      ["null for a required field", "VirtualMachine", virtualMachine({ cpus: null }), "spec.cpus: Required value"],
      [
        "null for a field that may be absent",
        "VirtualMachine",
        virtualMachine({ hostName: null }),
        'spec.hostName: Invalid value: "null": spec.hostName in body must be of type string: "null"',
      ],
      [
        "a number below its minimum",
        "Reservation",
        reservation({ hosts: { count: 0 } }),
        "spec.hosts.count: Invalid value: 0: spec.hosts.count in body should be greater than or equal to 1",
      ],
      [
        "a number above its maximum",
        "VirtualMachine",
        virtualMachine({ cpus: 1000 }),
        "spec.cpus: Invalid value: 1000: spec.cpus in body should be less than or equal to 256",
      ],
      [
        "an unknown word",
        "VirtualMachine",
        virtualMachine({ powerState: "Paused" }),
        'spec.powerState: Unsupported value: "Paused": supported values: "Running", "Stopped"',
      ],
      [
        "a negative size",
        "VirtualMachine",
        virtualMachine({ memory: "-1Gi" }),
        `spec.memory: Invalid value: "-1Gi": spec.memory in body should match '^([1-9][0-9]{0,6}Mi|[1-9][0-9]{0,4}Gi|[1-9][0-9]?Ti)$'`,
      ],
      [
        "a text that is too long",
        "VirtualMachine",
        virtualMachine({ hostName: "h".repeat(64) }),
        "spec.hostName: Too long: may not be more than 63 bytes",
      ],
      [
        "a text that is no date",
        "Reservation",
        reservation({ window: { start: "tomorrow", duration: "1h" } }),
        'spec.window.start: Invalid value: "tomorrow": spec.window.start in body must be of type date-time: "tomorrow"',
      ],
      [
        "a day that does not exist",
        "Reservation",
        reservation({ window: { start: "2030-02-30T09:00:00Z", duration: "1h" } }),
        'spec.window.start: Invalid value: "2030-02-30T09:00:00Z": spec.window.start in body must be of type date-time: "2030-02-30T09:00:00Z"',
      ],
      [
        "a set with an item twice",
        "VMHost",
        host({ reservableFrom: ["a", "b", "a"] }),
        'spec.reservableFrom[2]: Duplicate value: "a"',
      ],
      [
        "too many items",
        "VMHost",
        host({ reservableFrom: Array.from({ length: 65 }, (_, index) => `n${index}`) }),
        "spec.reservableFrom: Too many: 65: must have at most 64 items",
      ],
      [
        "a list map with a key twice",
        "Reservation",
        { ...reservation(), status: { hosts: [{ name: "a" }, { name: "b" }, { name: "a" }] } },
        'status.hosts[2]: Duplicate value: {"name":"a"}',
      ],
      [
        "a duration above the rule's limit",
        "Reservation",
        reservation({ window: { start: "2030-01-31T09:00:00Z", duration: "721h" } }),
        'spec.window.duration: Invalid value: "object": duration must be between 1m and 720h',
      ],
      [
        "a duration below the rule's limit",
        "Reservation",
        reservation({ window: { start: "2030-01-31T09:00:00Z", duration: "59s" } }),
        'spec.window.duration: Invalid value: "object": duration must be between 1m and 720h',
      ],
      [
        "values without In",
        "Reservation",
        reservation(selector({ operator: "Exists", values: ["x"] })),
        'spec.hosts.selector.matchExpressions[0]: Invalid value: "object": values belong to In and NotIn, and only there',
      ],
      [
        "In without values",
        "Reservation",
        reservation(selector({ operator: "In" })),
        'spec.hosts.selector.matchExpressions[0]: Invalid value: "object": values belong to In and NotIn, and only there',
      ],
    ];
    for (const [what, kind, candidate, message] of bad) {
      it(`should refuse ${what}`, () => {
        expect(describeCauses(admit(schemas[kind], structuredClone(candidate)))).to.equal(message);
      });
    }

    for (const kind of ["Reservation", "VirtualMachine", "VMHost"] as const) {
      it(`should refuse a ${kind} whose name is longer than a label value`, () => {
        const good = { Reservation: reservation(), VirtualMachine: virtualMachine(), VMHost: host() }[kind];
        const causes = admit(schemas[kind], { ...good, metadata: { name: "n".repeat(64) } });
        expect(describeCauses(causes)).to.equal(
          '<nil>: Invalid value: "object": metadata.name must have at most 63 characters',
        );
      });
    }

    it("should refuse a change of what cannot change, on update only", () => {
      const old = virtualMachine();
      const changed = virtualMachine({ cpus: 2 });
      expect(admit(schemas.VirtualMachine, changed)).to.deep.equal([]);
      expect(describeCauses(admit(schemas.VirtualMachine, changed, old))).to.equal(
        'spec: Invalid value: "object": cpus, memory and disk cannot change; make a new virtual machine',
      );
      expect(admit(schemas.VirtualMachine, virtualMachine({ hostName: "host-b" }), old)).to.deep.equal([]);
    });

    it("should hold a reservation's hosts and start once vacating has begun", () => {
      const moved = reservation({ window: { start: "2030-02-01T09:00:00Z", duration: "90m" } });
      const begun = { ...reservation(), status: { vacatingSince: "2030-01-31T08:00:00Z" } };
      schemas.Reservation.applyDefaults(begun);
      expect(admit(schemas.Reservation, moved, reservation())).to.deep.equal([]);
      const causes = admit(schemas.Reservation, moved, begun);
      expect(causes.map((cause) => cause.field)).to.deep.equal(["spec"]);
      const longer = reservation({ window: { start: "2030-01-31T09:00:00Z", duration: "2h" } });
      expect(admit(schemas.Reservation, longer, begun)).to.deep.equal([]);
    });

    it("should fill in defaults, also those inside of defaulted objects", () => {
      const machine = virtualMachine();
      schemas.VirtualMachine.applyDefaults(machine);
      expect(machine.spec).to.deep.include({
        powerState: "Running",
        migration: { policy: "Allowed", strategy: "SuspendCopyResume" },
      });
      expect(machine).to.not.have.property("status");
    });

    it("should name every unknown field and remove it", () => {
      const wrong = reservation({ hosts: { cuont: 1, count: 2 }, unknown: true });
      expect(schemas.Reservation.prune(wrong)).to.have.members(["spec.hosts.cuont", "spec.unknown"]);
      expect(wrong).to.deep.equal(reservation());
    });

    it("should keep free keys of labels", () => {
      const labelled = reservation({ hosts: { count: 1, selector: { matchLabels: { rack: "r1" } } } });
      expect(schemas.Reservation.prune(labelled)).to.deep.equal([]);
    });
  });

  it("should leave unknown fields alone where the schema preserves them, but not below a declared field", () => {
    const schema = compile({
      type: "object",
      properties: {
        free: {
          type: "object",
          "x-kubernetes-preserve-unknown-fields": true,
          properties: { known: { type: "object", properties: { a: { type: "string" } } } },
        },
        embedded: { type: "object", "x-kubernetes-embedded-resource": true, properties: {} },
        list: { type: "array", items: { type: "object", properties: { a: { type: "string" } } } },
      },
    });
    const candidate = {
      free: { x: 1, known: { a: "a", b: "b" } },
      embedded: { apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, other: 1 },
      list: [{ a: "a" }, { b: "b" }],
    };
    expect(schema.prune(candidate)).to.deep.equal(["free.known.b", "embedded.other", "list[1].b"]);
    expect(candidate.free).to.deep.equal({ x: 1, known: { a: "a" } });
  });

  it("should replace null by the default unless null is allowed", () => {
    const schema = compile({
      type: "object",
      properties: { a: { type: "string", default: "x" }, b: { type: "string", default: "x", nullable: true } },
    });
    const candidate = { a: null, b: null };
    schema.applyDefaults(candidate);
    expect(candidate).to.deep.equal({ a: "x", b: null });
    expect(schema.validate(candidate)).to.deep.equal([]);
  });

  it("should accept integers and strings where the schema says int-or-string", () => {
    const schema = compile({ type: "object", properties: { port: { "x-kubernetes-int-or-string": true } } });
    expect(schema.validate({ port: 80 })).to.deep.equal([]);
    expect(schema.validate({ port: "http" })).to.deep.equal([]);
    expect(schema.validate({ port: true })).to.have.lengthOf(1);
  });

  describe("CEL rules", () => {
    const withRule = (rule: JsonObject, properties: JsonObject): JsonObject => ({
      type: "object",
      properties: { spec: { type: "object", properties, "x-kubernetes-validations": [rule] } },
    });
    const wrong: [string, string, RegExp][] = [
      ["does not parse", "self.a >", /things\.example\.dev: rule at spec does not compile: .*: self\.a >/],
      ["selects an unknown field", "self.b == 'x'", /undefined field 'b'/],
      ["selects a field of a scalar", "self.a.b == 'x'", /type string has no field 'b'/],
      ["calls an unknown function", "isMagic(self.a)", /isMagic/],
      ["is no condition", "'a' + 'b'", /of type string, expected bool/],
      ["could run for long", "self.list.all(x, self.list.all(y, self.list.all(z, x != y)))", /steps.*maxItems/],
    ];
    for (const [what, rule, message] of wrong) {
      it(`should not compile a rule that ${what}`, () => {
        const properties = { a: { type: "string" }, list: { type: "array", items: { type: "integer" } } };
        expect(() => compile(withRule({ rule }, properties))).to.throw(message);
      });
    }

    it("should compare integers, dates, maps and escaped names as Kubernetes does", () => {
      const properties = {
        count: { type: "integer" },
        ratio: { type: "number" },
        at: { type: "string", format: "date-time" },
        "with-dash": { type: "string" },
        namespace: { type: "string" },
        labels: { type: "object", additionalProperties: { type: "integer" }, maxProperties: 8 },
      };
      const rule = [
        "self.count * 2 == 6",
        "self.ratio > 0.5",
        "self.at < timestamp('2030-01-01T00:00:00Z')",
        "self.with__dash__dash == 'x'",
        "self.__namespace__ == 'n'",
        "self.labels.all(key, self.labels[key] >= 1)",
        "!has(self.labels.missing)",
      ].join(" && ");
      const schema = compile(withRule({ rule }, properties));
      const spec = { count: 3, ratio: 1, at: "2029-12-31T23:00:00-01:30", "with-dash": "x", namespace: "n" };
      expect(schema.validate({ spec: { ...spec, labels: { a: 1 } } })).to.have.lengthOf(1);
      expect(schema.validate({ spec: { ...spec, at: "2029-12-31T23:00:00Z", labels: { a: 1 } } })).to.deep.equal([]);
      expect(schema.validate({ spec: { ...spec, at: "2029-12-31T23:00:00Z", labels: { a: 0 } } })).to.have.lengthOf(1);
    });

    it("should compare an item of a list map with its former self, wherever it stood", () => {
      const schema = compile({
        type: "object",
        properties: {
          items: {
            type: "array",
            maxItems: 4,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            items: {
              type: "object",
              properties: { name: { type: "string" }, size: { type: "integer" } },
              "x-kubernetes-validations": [{ rule: "self.size >= oldSelf.size", message: "only grows" }],
            },
          },
        },
      });
      const old = {
        items: [
          { name: "a", size: 5 },
          { name: "b", size: 1 },
        ],
      };
      const grown = {
        items: [
          { name: "b", size: 1 },
          { name: "a", size: 6 },
          { name: "c", size: 0 },
        ],
      };
      const shrunk = {
        items: [
          { name: "b", size: 1 },
          { name: "a", size: 4 },
        ],
      };
      expect(schema.validate(grown, old)).to.deep.equal([]);
      expect(schema.validate(shrunk, old)).to.deep.equal([
        { reason: "FieldValueInvalid", field: "items[1]", message: 'Invalid value: "object": only grows' },
      ]);
    });

    it("should use messageExpression, reason and the rule itself for the message", () => {
      const properties = { a: { type: "integer" } };
      const check = (rule: JsonObject): Cause | undefined =>
        compile(withRule(rule, properties)).validate({ spec: { a: 1 } })[0];
      expect(check({ rule: "self.a > 1" })?.message).to.equal('Invalid value: "object": failed rule: self.a > 1');
      expect(check({ rule: "self.a > 1", messageExpression: "'a is ' + string(self.a)" })?.message).to.equal(
        'Invalid value: "object": a is 1',
      );
      expect(check({ rule: "self.a > 1", message: "no", reason: "FieldValueForbidden" })).to.deep.equal({
        reason: "FieldValueForbidden",
        message: "Forbidden: no",
        field: "spec",
      });
    });

    it("should refuse, not pass, when a rule fails to run", () => {
      const schema = compile(withRule({ rule: "duration(self.a) > duration('1m')" }, { a: { type: "string" } }));
      expect(schema.validate({ spec: { a: "soon" } })[0]?.message).to.match(/evaluating rule: duration\(self\.a\)/);
      expect(schema.validate({ spec: {} })[0]?.message).to.match(/evaluating rule/);
    });
  });
});
