const pattern = /^(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/;

/**
 * Seconds of a duration as written in a manifest.
 * @param text such as `90s`, `15m` or `1h30m`
 * @throws RangeError when the text is no such duration
 */
export function parseDuration(text: string): number {
  const match = pattern.exec(text);
  if (!match) throw new RangeError(`duration ${JSON.stringify(text)} is not of the form 1h30m, 15m or 90s`);
  const [hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
}

/** Seconds for people: `4.2s`, `1m12s`, `2h5m`; negative values carry a minus sign. */
export function formatSeconds(seconds: number): string {
  const sign = seconds < 0 ? "-" : "";
  const value = Math.abs(seconds);
  // 59.95 and above would be printed as 60.0s.
  if (value < 59.95) return `${sign}${value.toFixed(1)}s`;
  const whole = Math.round(value);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours === 0) return `${sign}${minutes}m${whole % 60}s`;
  return `${sign}${hours}h${minutes}m`;
}
