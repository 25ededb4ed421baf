import { setTimeout as pause } from "node:timers/promises";

/** Waits until the question has an answer; fails after five seconds, naming what was waited for. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | undefined | false | Promise<Answer | undefined | false>,
): Promise<Answer> {
  const end = performance.now() + 5_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`waited 5 s for ${what}`);
    await pause(2);
  }
}
