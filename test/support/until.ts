import { setTimeout as pause } from "node:timers/promises";

/** Waits until the question has an answer; fails after `seconds`, naming what was waited for. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | undefined | false | Promise<Answer | undefined | false>,
  seconds = 5,
): Promise<Answer> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await pause(2);
  }
}

/**
 * Asks again and again until the answer is as wanted; for what takes real programs some time on a busy machine.
 * @returns the answer that was as wanted. @throws Error with the last answer when none was within the limit
 */
export async function eventually<Answer>(
  what: string,
  ask: () => Promise<Answer>,
  isWanted: (answer: Answer) => boolean,
  limitSeconds = 60,
): Promise<Answer> {
  const end = performance.now() + limitSeconds * 1000;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    if (performance.now() > end) {
      throw new Error(`waited ${limitSeconds} s for ${what}; it is ${JSON.stringify(answer, null, 1)}`);
    }
    await pause(50);
  }
}
