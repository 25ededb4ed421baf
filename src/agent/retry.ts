import type { AgentContext } from "./context.ts";
import { AgentError } from "./protocol/client.ts";

const attempts = 4;

/**
 * Tries a thing that must succeed up to four times within about four seconds; once only when the agent is ending.
 * Rejects with the last error.
 *
 * @param isHopeless errors that another attempt would not change
 */
export async function retry<Result>(
  context: AgentContext,
  task: () => Promise<Result>,
  isHopeless: (error: unknown) => boolean = () => false,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await task();
    } catch (error) {
      const isRefusal = error instanceof AgentError; // our own, and decided
      if (isRefusal || attempt === attempts || context.stopping.aborted || isHopeless(error)) throw error;
      context.logger.warn({ err: error, attempt }, "failed, trying again");
      await context.clock.sleep(context.limits.retryMilliseconds * 2 ** (attempt - 1), context.stopping);
    }
  }
}
