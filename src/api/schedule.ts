import { validateDetailed } from "node-cron";

/** A recurring time: a five-field cron expression, read in a time zone. */
export interface Schedule {
  /**
   * The first occurrence after the given moment. A local time that daylight saving skips occurs at the next valid
   * minute; one that comes twice occurs once, the first time.
   */
  next(after: Date): Date;
  /** Whether it occurs at just this moment. */
  includes(time: Date): boolean;
}

const minuteMilliseconds = 60_000;
const hourMilliseconds = 60 * minuteMilliseconds;
const dayMilliseconds = 24 * hourMilliseconds;
/** 29 February is at most eight years away; the Gregorian calendar repeats its weekdays in twenty-eight. */
const longestSearchDays = 366 * 40;

/** What cron allows on a day; each in increasing order. */
interface Fields {
  minutes: readonly number[];
  hours: readonly number[];
  isDay(localDay: Date): boolean;
}

/**
 * Reads a cron expression: minute, hour, day of month, month, day of week, with lists, ranges, steps and English
 * names. As usual, a day matches by either of its two fields when both are restricted.
 * @param timeZone IANA name, such as `Europe/Berlin`
 * @throws RangeError naming the expression or the zone and what would be right
 */
export function parseSchedule(expression: string, timeZone = "UTC"): Schedule {
  const fields = parseFields(expression);
  const zone = new Zone(timeZone);
  const next = (after: Date) => nextOccurrence(fields, zone, after);
  return { next, includes: (time) => next(new Date(time.getTime() - 1)).getTime() === time.getTime() };
}

function parseFields(expression: string): Fields {
  const texts = expression.trim().split(/\s+/);
  if (texts.length !== 5) throw refusal(expression, `it has ${texts.length} fields`);
  const { valid, fields, errors } = validateDetailed(expression);
  if (!valid || !fields) throw refusal(expression, errors[0]?.message ?? "it cannot be read");
  const { minute, hour, month } = fields;
  const dayOfMonth = fields.dayOfMonth.filter((value) => typeof value === "number");
  const dayOfWeek = fields.dayOfWeek.filter((value) => typeof value === "number");
  if (dayOfMonth.length < fields.dayOfMonth.length || dayOfWeek.length < fields.dayOfWeek.length) {
    throw refusal(expression, "L, W and # are no part of plain cron");
  }
  const isAnyDay = (text = "") => text.startsWith("*") || text.startsWith("?");
  const isEither = !isAnyDay(texts[2]) && !isAnyDay(texts[4]);
  return {
    minutes: inOrder(minute),
    hours: inOrder(hour),
    isDay(day) {
      if (!month.includes(day.getUTCMonth() + 1)) return false;
      const byDate = dayOfMonth.includes(day.getUTCDate());
      const byWeekday = dayOfWeek.includes(day.getUTCDay());
      return isEither ? byDate || byWeekday : byDate && byWeekday;
    },
  };
}

function inOrder(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

function refusal(expression: string, why: string): RangeError {
  return new RangeError(
    `${JSON.stringify(expression)} is no schedule of minute, hour, day of month, month and day of week, such as "0 9 * * MON-FRI": ${why}`,
  );
}

function nextOccurrence({ minutes, hours, isDay }: Fields, zone: Zone, after: Date): Date {
  // No local time at or before the present reading of the clock occurs later: the first instant that shows it is past.
  const reading = zone.reading(after.getTime());
  const firstDay = reading - (reading % dayMilliseconds) - (reading < 0 ? dayMilliseconds : 0);
  for (let day = 0; day < longestSearchDays; day++) {
    const local = firstDay + day * dayMilliseconds;
    if (!isDay(new Date(local))) continue;
    for (const hour of hours) {
      for (const minute of minutes) {
        const wanted = local + hour * hourMilliseconds + minute * minuteMilliseconds;
        if (wanted <= reading) continue;
        const instant = zone.firstInstant(wanted);
        if (instant > after.getTime()) return new Date(instant);
      }
    }
  }
  throw new RangeError("the schedule never occurs again");
}

/** By time zone: making one takes a hundred times as long as using it. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const fields = { year: "numeric", month: "numeric", day: "numeric" } as const;
  const clock = { hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" } as const;
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone, calendar: "gregory", ...fields, ...clock });
  } catch {
    throw new RangeError(`${JSON.stringify(timeZone)} is no IANA time zone such as Europe/Berlin`);
  }
}

/**
 * The clocks of a time zone. A reading is what they show, as the milliseconds that UTC's clocks would show it at.
 */
class Zone {
  readonly #format: Intl.DateTimeFormat;

  /** @throws RangeError when there is no such zone */
  constructor(timeZone: string) {
    this.#format = formats.get(timeZone) ?? formatOf(timeZone);
    formats.set(timeZone, this.#format);
  }

  reading(instant: number): number {
    const parts = new Map(this.#format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
    return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  }

  /** The first instant at which the clocks show this reading; where they skip it, the first after the gap. */
  firstInstant(reading: number): number {
    // The offsets a day before and after: at most one transition lies in between.
    const offsets = [reading - dayMilliseconds, reading + dayMilliseconds].map((at) => this.reading(at) - at);
    const [earliest, latest] = [reading - Math.max(...offsets), reading - Math.min(...offsets)];
    for (const instant of [earliest, latest]) if (this.reading(instant) === reading) return instant;
    let [before, at] = [earliest, latest];
    while (at - before > 1000) {
      const middle = before + Math.floor((at - before) / 2000) * 1000;
      if (this.reading(middle) >= reading) at = middle;
      else before = middle;
    }
    return at;
  }
}
