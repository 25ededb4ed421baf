import { expect } from "chai";
import type { JsonObject } from "../../../src/apiserver/resource.ts";
import { compileSchema } from "../../../src/apiserver/schema/compile-schema.ts";
import { projectDefinition } from "../../support/resource-definitions.ts";

const schema = compileSchema(projectDefinition("Reservation"));

function reservation(spec: JsonObject, more: JsonObject = {}): JsonObject {
  const metadata = { name: "one", namespace: "default" };
  return {
    apiVersion: "vacate.dev/v1alpha1",
    kind: "Reservation",
    metadata,
    spec: { hosts: { count: 1 }, ...spec },
    ...more,
  };
}

function refusals(candidate: JsonObject, old?: JsonObject): string[] {
  schema.applyDefaults(candidate);
  return schema.validate(candidate, old).map(({ field, message }) => `${field}: ${message}`);
}

const once = { start: "2030-01-31T09:00:00Z", duration: "1h" };
const nightly = { schedule: "0 22 * * MON-FRI", timeZone: "Europe/Berlin", duration: "8h" };

describe("the Reservation's schema", () => {
  for (const schedule of ["* * * * *", "*/15 8-18 1,15 JAN-MAR ?", "0 9 * * 1-5"]) {
    it(`should accept the schedule ${schedule}`, () => {
      expect(refusals(reservation({ window: { schedule, duration: "1h" } }))).to.deep.equal([]);
    });
  }

  const bad: [what: string, spec: JsonObject, message: RegExp][] = [
    ["neither start nor schedule", { window: { duration: "1h" } }, /set exactly one of start and schedule/],
    ["both", { window: { ...once, schedule: "0 9 * * *" } }, /set exactly one of start and schedule/],
    [
      "four fields",
      { window: { schedule: "10 09 * *", duration: "1h" } },
      /^spec.window.schedule: .*schedule has five fields/,
    ],
    ["six fields", { window: { schedule: "0 0 9 * * *", duration: "1h" } }, /schedule has five fields/],
    ["words", { window: { schedule: "every day", duration: "1h" } }, /such as 0 9 \* \* MON-FRI/],
    [
      "a zone for a start",
      { window: { ...once, timeZone: "UTC" } },
      /^spec.window.timeZone: .*timeZone belongs to schedule/,
    ],
    [
      "a plan's hash without manual approval",
      { window: once, approval: { planHash: "0123456789abcdef" } },
      /^spec.approval.planHash: .*planHash belongs to mode Manual/,
    ],
    [
      "a hash that is none",
      { window: once, approval: { mode: "Manual", planHash: "latest" } },
      /^spec.approval.planHash: .*should match/,
    ],
    ["an unknown wish for lateness", { window: once, whenLate: "Panic" }, /supported values: "KeepVacating", "GiveUp"/],
    ["an unknown zone", { window: { ...nightly, timeZone: "Mars/Olympus" } }, /timeZone must be an IANA name/],
  ];
  for (const [what, spec, message] of bad) {
    it(`should refuse ${what}`, () => {
      const found = refusals(reservation(spec));
      expect(found).to.have.length(1);
      expect(found[0]).to.match(message);
    });
  }

  const edits: [what: string, from: JsonObject, to: JsonObject, status: JsonObject, message: RegExp | undefined][] = [
    ["a start to a schedule", { window: once }, { window: nightly }, {}, /cannot become a recurring one/],
    ["a schedule to a start", { window: nightly }, { window: once }, {}, /nor the reverse/],
    ["a start", { window: once }, { window: { ...once, start: "2030-02-01T09:00:00Z" } }, {}, undefined],
    [
      "a start while vacating",
      { window: once },
      { window: { ...once, start: "2030-02-01T09:00:00Z" } },
      { vacatingSince: "2030-01-31T08:59:00Z" },
      /hosts and window.start cannot change once vacating has begun/,
    ],
    [
      "a schedule while vacating",
      { window: nightly },
      { window: { ...nightly, schedule: "0 23 * * *" } },
      { vacatingSince: "2030-01-31T08:59:00Z" },
      undefined,
    ],
    [
      "the hosts while vacating",
      { window: nightly },
      { window: nightly, hosts: { count: 2 } },
      { vacatingSince: "2030-01-31T08:59:00Z" },
      /hosts and window.start cannot change/,
    ],
  ];
  for (const [what, from, to, status, message] of edits) {
    it(`should ${message ? "refuse" : "accept"} an edit of ${what}`, () => {
      const old = reservation(from, { status });
      schema.applyDefaults(old);
      const found = refusals(reservation(to, { status }), old);
      if (message) expect(found.join()).to.match(message);
      else expect(found).to.deep.equal([]);
    });
  }
});
