import { expect } from "chai";
import fc from "fast-check";
import { parseSchedule } from "../../../src/api/schedule.ts";

function occurrences(expression: string, timeZone: string, after: string, count: number): string[] {
  const schedule = parseSchedule(expression, timeZone);
  const found: string[] = [];
  let last = new Date(after);
  for (let index = 0; index < count; index++) {
    last = schedule.next(last);
    found.push(last.toISOString().replace(":00.000Z", "Z"));
  }
  return found;
}

describe("parseSchedule", () => {
  const cases: [what: string, expression: string, timeZone: string, after: string, expected: string[]][] = [
    [
      "a working day's morning",
      "0 9 * * MON-FRI",
      "UTC",
      "2030-01-04T09:00:00Z",
      ["2030-01-07T09:00Z", "2030-01-08T09:00Z"],
    ],
    [
      "either of two restricted days",
      "0 0 13 * 5",
      "UTC",
      "2030-06-10T00:00:00Z",
      ["2030-06-13T00:00Z", "2030-06-14T00:00Z"],
    ],
    ["a leap day", "30 6 29 2 *", "UTC", "2030-01-01T00:00:00Z", ["2032-02-29T06:30Z", "2036-02-29T06:30Z"]],
    ["Sunday by both of its numbers", "0 1 * * 7", "UTC", "2030-01-01T00:00:00Z", ["2030-01-06T01:00Z"]],
    // Clocks go from 02:00 to 03:00 (01:00Z) on 31 March, and from 03:00 back to 02:00 (01:00Z) on 27 October.
    [
      "a skipped time in Berlin",
      "30 2 * * *",
      "Europe/Berlin",
      "2030-03-30T12:00:00Z",
      ["2030-03-31T01:00Z", "2030-04-01T00:30Z"],
    ],
    [
      "several skipped times in Berlin, once",
      "*/20 2-3 * * *",
      "Europe/Berlin",
      "2030-03-31T00:30:00Z",
      ["2030-03-31T01:00Z", "2030-03-31T01:20Z", "2030-03-31T01:40Z", "2030-04-01T00:00Z"],
    ],
    [
      "a doubled time in Berlin, the first",
      "30 2 * * *",
      "Europe/Berlin",
      "2030-10-26T12:00:00Z",
      ["2030-10-27T00:30Z", "2030-10-28T01:30Z"],
    ],
    [
      "a doubled time, asked in the second hour",
      "15 2 * * *",
      "Europe/Berlin",
      "2030-10-27T01:05:00Z",
      ["2030-10-28T01:15Z"],
    ],
    // From 02:00 to 03:00 (07:00Z) on 10 March, from 02:00 back to 01:00 (06:00Z) on 3 November.
    [
      "a skipped time in New York",
      "15 2 * * *",
      "America/New_York",
      "2030-03-09T12:00:00Z",
      ["2030-03-10T07:00Z", "2030-03-11T06:15Z"],
    ],
    [
      "a doubled time in New York, the first",
      "15 1 * * *",
      "America/New_York",
      "2030-11-02T12:00:00Z",
      ["2030-11-03T05:15Z", "2030-11-04T06:15Z"],
    ],
    // Half an hour: from 02:00 to 02:30 (15:30Z) on 6 October, from 02:00 back to 01:30 (15:00Z) on 7 April.
    [
      "a skipped time on Lord Howe",
      "10 2 * * *",
      "Australia/Lord_Howe",
      "2030-10-05T10:00:00Z",
      ["2030-10-05T15:30Z", "2030-10-06T15:10Z"],
    ],
    [
      "a doubled time on Lord Howe, the first",
      "45 1 * * *",
      "Australia/Lord_Howe",
      "2030-04-06T10:00:00Z",
      ["2030-04-06T14:45Z", "2030-04-07T15:15Z"],
    ],
    ["a day that a zone skips", "0 12 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", ["2011-12-30T10:00Z"]],
  ];
  for (const [what, expression, timeZone, after, expected] of cases) {
    it(`should find ${what}`, () => {
      expect(occurrences(expression, timeZone, after, expected.length)).to.deep.equal(expected);
    });
  }

  it("should know its own occurrences from other times", () => {
    const schedule = parseSchedule("0 9 * * *", "Europe/Berlin");
    expect(schedule.includes(new Date("2030-07-01T07:00:00Z"))).to.equal(true);
    expect(schedule.includes(new Date("2030-07-01T07:00:00.001Z"))).to.equal(false);
    expect(schedule.includes(new Date("2030-07-01T09:00:00Z"))).to.equal(false);
  });

  const bad: [expression: string, timeZone: string | undefined, message: RegExp][] = [
    ["0 9 * *", undefined, /"0 9 \* \*" is no schedule of minute, hour.*: it has 4 fields/],
    ["0 0 9 * * *", undefined, /it has 6 fields/],
    ["@daily", undefined, /it has 1 fields/],
    ["60 9 * * *", undefined, /60 is a invalid expression for minute/],
    ["0 9 31 2 *", undefined, /impossible day of month/],
    ["0 9 L * *", undefined, /L, W and # are no part of plain cron/],
    ["0 9 * * FOO", undefined, /week day/],
    ["0 9 * * *", "Europe/Bielefeld", /"Europe\/Bielefeld" is no IANA time zone such as Europe\/Berlin/],
    ["0 9 * * *", "", /is no IANA time zone/],
  ];
  for (const [expression, timeZone, message] of bad) {
    it(`should refuse ${JSON.stringify(expression)}${timeZone === undefined ? "" : ` in ${JSON.stringify(timeZone)}`}`, () => {
      expect(() => parseSchedule(expression, timeZone)).to.throw(RangeError, message);
    });
  }

  it("should find what a walk over every minute finds", () => {
    const zones = [
      "Europe/Berlin",
      "America/New_York",
      "Australia/Lord_Howe",
      "Africa/Casablanca",
      "Asia/Kolkata",
      "UTC",
    ];
    // Around the days on which clocks change, which chance alone would hardly meet.
    const days = [
      "2030-03-10",
      "2030-03-31",
      "2030-04-06",
      "2030-10-05",
      "2030-10-27",
      "2030-11-03",
      "2030-07-01",
      "2030-01-05",
    ];
    const minute = fc.oneof(fc.constantFrom("*", "*/7", "0,30", "10-20"), fc.integer({ min: 0, max: 59 }).map(String));
    const hour = fc.oneof(
      fc.constantFrom("*", "*/5", "1-3"),
      fc.integer({ min: 0, max: 23 }).map(String),
      fc.constantFrom("0", "1", "2", "3"),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom(...days),
        fc.integer({ min: -1440, max: 1440 }),
        minute,
        hour,
        (timeZone, day, offsetMinutes, minutes, hours) => {
          const after = new Date(Date.parse(`${day}T00:00:00Z`) + offsetMinutes * 60_000);
          const expression = `${minutes} ${hours} * * *`;
          expect(parseSchedule(expression, timeZone).next(after).toISOString()).to.equal(
            walk(expression, timeZone, after).toISOString(),
          );
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** The definition itself: the clock is read at every minute, and a day's times are struck off as they come or are passed. */
function walk(expression: string, timeZone: string, after: Date): Date {
  const [minutes = "", hours = ""] = expression.split(" ");
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" });
  const wanted: string[] = [];
  for (let hour = 0; hour < 24; hour++) {
    for (let minute = 0; minute < 60; minute++) {
      if (allows(hours, hour) && allows(minutes, minute)) {
        wanted.push(`${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`);
      }
    }
  }
  // Well before, so that the first of two equal times is known to have passed.
  const begin = after.getTime() - 6 * 3_600_000;
  let latest = format.format(begin - 60_000);
  for (let instant = begin; ; instant += 60_000) {
    const shown = format.format(instant);
    if (shown <= latest) continue;
    const passed = wanted.some((time) => {
      return [latest, shown].some((text) => {
        const due = `${text.slice(0, 10)} ${time}`;
        return latest < due && due <= shown;
      });
    });
    latest = shown;
    if (passed && instant > after.getTime()) return new Date(instant);
  }
}

function allows(field: string, value: number): boolean {
  return field.split(",").some((part) => {
    const step = /^\*\/(\d+)$/.exec(part);
    if (step) return value % Number(step[1]) === 0;
    const range = /^(\d+)-(\d+)$/.exec(part);
    if (range) return value >= Number(range[1]) && value <= Number(range[2]);
    return part === "*" || Number(part) === value;
  });
}
