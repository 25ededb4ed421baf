import type { Clock } from "../../../api/clock.ts";

/**
 * A clock that runs faster than another one, from the moment it is made.
 * @param factor simulated seconds for each second of `base`; above 0
 */
export function acceleratedClock(base: Clock, factor: number): Clock {
  if (!(factor > 0 && Number.isFinite(factor))) throw new RangeError(`factor ${factor}: want a number above 0`);
  const start = base.now().getTime();
  const monotonicStart = base.monotonicMilliseconds();
  const elapsed = () => (base.monotonicMilliseconds() - monotonicStart) * factor;
  return {
    now: () => new Date(start + elapsed()),
    monotonicMilliseconds: () => monotonicStart + elapsed(),
    sleep: (milliseconds, signal) => base.sleep(milliseconds / factor, signal),
  };
}
