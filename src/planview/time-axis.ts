const niceSteps: readonly number[] = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
];

export interface TimeAxis {
  left: number;
  right: number;
  /** Horizontal position of a moment, in seconds since vacating begins. */
  x(seconds: number): number;
  /** Moments to mark, with what to write there: time before (−) or after the window's start. */
  ticks: { seconds: number; text: string }[];
}

/**
 * Maps seconds since the begin of vacating to positions.
 * @param windowSeconds when the window starts; negative when it has started already
 * @param lastSeconds the last moment to show
 */
export function timeAxis(left: number, right: number, windowSeconds: number, lastSeconds: number): TimeAxis {
  const first = Math.min(0, windowSeconds);
  const shown = Math.max(1, Math.max(windowSeconds, lastSeconds) - first);
  const from = first - 0.03 * shown;
  const to = Math.max(windowSeconds + 0.16 * shown, lastSeconds + 0.04 * shown);
  const x = (seconds: number) => left + ((seconds - from) / (to - from)) * (right - left);
  const step = niceSteps.find((each) => (to - from) / each <= 9) ?? Math.ceil((to - from) / 9 / 86_400) * 86_400;
  const ticks = [];
  for (let index = Math.ceil((from - windowSeconds) / step); windowSeconds + index * step <= to; index++) {
    ticks.push({ seconds: windowSeconds + index * step, text: relative(index * step) });
  }
  return { left, right, x, ticks };
}

/** `−1:30` minutes and seconds, `+2h05` hours and minutes. */
function relative(seconds: number): string {
  if (seconds === 0) return "0:00";
  const sign = seconds < 0 ? "−" : "+";
  const value = Math.abs(Math.round(seconds));
  if (value < 3600) return `${sign}${Math.floor(value / 60)}:${String(value % 60).padStart(2, "0")}`;
  return `${sign}${Math.floor(value / 3600)}h${String(Math.floor((value % 3600) / 60)).padStart(2, "0")}`;
}
