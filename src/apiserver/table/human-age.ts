const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/**
 * A length of time in the few characters that kubectl shows in its Age column, such as `5m`, `3h20m` or `12d`: two
 * units while the number is small, then one. Up to a second in the future counts as `0s`, more is `<invalid>`.
 */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / second);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (milliseconds < 2 * minute) return `${seconds}s`;
  if (milliseconds < 10 * minute) return twoUnits(milliseconds, minute, "m", second, "s");
  if (milliseconds < 3 * hour) return `${Math.floor(milliseconds / minute)}m`;
  if (milliseconds < 8 * hour) return twoUnits(milliseconds, hour, "h", minute, "m");
  if (milliseconds < 2 * day) return `${Math.floor(milliseconds / hour)}h`;
  if (milliseconds < 8 * day) return twoUnits(milliseconds, day, "d", hour, "h");
  if (milliseconds < 2 * year) return `${Math.floor(milliseconds / day)}d`;
  if (milliseconds < 8 * year) return twoUnits(milliseconds, year, "y", day, "d");
  return `${Math.floor(milliseconds / year)}y`;
}

function twoUnits(milliseconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((milliseconds % large) / small);
  return `${Math.floor(milliseconds / large)}${largeName}${rest === 0 ? "" : `${rest}${smallName}`}`;
}

/** The age of an RFC 3339 time; `<unknown>` when there is none, `<invalid>` when it is no time. */
export function humanAge(time: unknown, now: Date): string {
  if (time === undefined || time === null) return "<unknown>";
  const instant = typeof time === "string" ? Date.parse(time) : Number.NaN;
  return Number.isNaN(instant) ? "<invalid>" : humanDuration(now.getTime() - instant);
}
