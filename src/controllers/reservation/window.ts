import { parseDuration } from "../../api/duration.ts";
import type { Reservation } from "../../api/resources.ts";
import { parseSchedule, type Schedule } from "../../api/schedule.ts";
import type { ReservationStatus } from "../../api/types.gen.ts";
import { formatTime } from "../../runtime/condition.ts";
import type { ReservationView } from "./view.ts";

type WindowStatus = NonNullable<ReservationStatus["window"]>;
type PastWindow = NonNullable<ReservationStatus["windows"]>[number];

export interface Window {
  /** Counts this reservation's windows from 1. */
  number: number;
  start: Date;
  end: Date;
}

const shortestSeconds = 60;
const longestSeconds = 720 * 3600;
const mostPastWindows = 10;

export function isRecurring({ spec }: Reservation): boolean {
  return spec.window.schedule !== undefined;
}

/**
 * The window that a reservation is about now. A recurring one keeps its window until that is over, or until its schedule
 * is edited before vacating begins; an edit later on counts from the next window on.
 * @throws RangeError naming the field, its value and what would be right
 */
export function windowOf({ reservation, now }: Pick<ReservationView, "reservation" | "now">): Window {
  const { spec, status } = reservation;
  const { window } = spec;
  if ((window.start === undefined) === (window.schedule === undefined)) {
    throw new RangeError("spec.window needs either start or schedule, and not both");
  }
  const seconds = parseDuration(window.duration);
  if (seconds < shortestSeconds || seconds > longestSeconds) {
    throw new RangeError(`spec.window.duration ${window.duration} is not between 1m and 720h`);
  }
  const number = status?.window?.number ?? (status?.windows?.[0]?.number ?? 0) + 1;
  const start = window.start === undefined ? recurringStart(reservation, now) : oneOffStart(window.start);
  return { number, start, end: new Date(start.getTime() + seconds * 1000) };
}

function oneOffStart(text: string): Date {
  const start = new Date(text);
  if (!Number.isNaN(start.getTime())) return start;
  throw new RangeError(`spec.window.start ${JSON.stringify(text)} is no time such as 2030-01-31T09:00:00Z`);
}

function recurringStart(reservation: Reservation, now: Date): Date {
  const { spec, status } = reservation;
  const kept = status?.window && new Date(status.window.start);
  if (kept && status?.vacatingSince !== undefined) return kept;
  const schedule = scheduleOf(reservation);
  if (kept) return schedule.includes(kept) ? kept : schedule.next(now);
  const last = status?.windows?.[0];
  if (!last) return schedule.next(now);
  // A window that has begun while the last one was being ended is better joined late than left out.
  const durationMilliseconds = parseDuration(spec.window.duration) * 1000;
  return schedule.next(new Date(Math.max(Date.parse(last.end) - 1, now.getTime() - durationMilliseconds)));
}

function scheduleOf({ spec }: Reservation): Schedule {
  try {
    return parseSchedule(spec.window.schedule ?? "", spec.window.timeZone);
  } catch (error) {
    throw new RangeError(`spec.window: ${error instanceof Error ? error.message : error}`);
  }
}

/** Writes the window, and the one after it of a recurring reservation, into the status. */
export function setWindow(status: ReservationStatus, reservation: Reservation, window: Window): WindowStatus {
  const written = writtenWindow(window);
  status.window = written;
  // While vacating, the spec may already speak of later windows only, or of none that can be understood.
  if (!isRecurring(reservation) || status.vacatingSince !== undefined) return written;
  const start = scheduleOf(reservation).next(new Date(window.end.getTime() - 1));
  const lengthMilliseconds = window.end.getTime() - window.start.getTime();
  const end = new Date(start.getTime() + lengthMilliseconds);
  status.nextWindow = writtenWindow({ number: window.number + 1, start, end });
  return written;
}

function writtenWindow({ number, start, end }: Window): WindowStatus {
  return { number, start: formatTime(start), end: formatTime(end) };
}

/** Notes how the window went among the last ten. */
export function recordWindow(status: ReservationStatus): void {
  const { window, outcome } = status;
  if (!window) return;
  const { result = "Missed", leadMilliseconds, predictedMilliseconds, measuredMilliseconds } = outcome ?? {};
  const past: PastWindow = {
    ...window,
    result,
    ...(leadMilliseconds !== undefined && { leadMilliseconds }),
    ...(predictedMilliseconds !== undefined && { predictedMilliseconds }),
    ...(measuredMilliseconds !== undefined && { measuredMilliseconds }),
  };
  const others = (status.windows ?? []).filter(({ number }) => number !== window.number);
  status.windows = [past, ...others].slice(0, mostPastWindows);
}

/** The reservation as if it had just been made, but for what is known of its past windows. */
export function withoutLastWindow(reservation: Reservation): Reservation {
  const { status, ...rest } = reservation;
  return status?.windows ? { ...rest, status: { windows: status.windows } } : rest;
}
