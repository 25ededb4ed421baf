import type { GuestProgress, SimulatedGuest } from "./guest-store.ts";

const longestConsoleBytes = 64 * 1024;
/** No second's lines are shorter than this. */
const shortestSecondBytes = 40;

/** How far the guest has counted by now: once a second while it runs. */
export function progressAt({ progress, countingSince }: SimulatedGuest, nowMilliseconds: number): GuestProgress {
  if (countingSince === undefined) return progress;
  const seconds = Math.max(0, Math.floor((nowMilliseconds - countingSince) / 1000));
  return { boot: progress.boot, counter: progress.counter + seconds, diskRecord: progress.diskRecord + seconds };
}

/** The last bytes of what the guest has said, in the words of the guests of hack/guest. */
export function consoleAt(guest: SimulatedGuest, nowMilliseconds: number, bytes: number): string {
  const now = progressAt(guest, nowMilliseconds);
  const wantedSeconds = Math.ceil(bytes / shortestSecondBytes);
  const seconds = Math.min(now.counter - guest.progress.counter, wantedSeconds);
  const lines: string[] = [];
  for (let back = seconds - 1; back >= 0; back--) lines.push(...linesOf(now, back));
  const text = lines.join("");
  const whole = wantedSeconds > seconds ? guest.console + text : text;
  return bytes <= 0 ? "" : whole.slice(-bytes);
}

/** The guest as it is once it counts no more. */
export function stopped(guest: SimulatedGuest, nowMilliseconds: number): SimulatedGuest {
  const { countingSince: _, ...rest } = guest;
  const console = consoleAt(guest, nowMilliseconds, longestConsoleBytes);
  return { ...rest, progress: progressAt(guest, nowMilliseconds), console };
}

function linesOf({ boot, counter, diskRecord }: GuestProgress, secondsBack: number): string[] {
  const count = counter - secondsBack;
  return [
    `counter ${count} uptime ${count}.00 boot ${boot}\n`,
    `memory ok ${count * 4} pass ${Math.floor(count / 4)}\n`,
    `disk ok ${diskRecord - secondsBack}\n`,
  ];
}
