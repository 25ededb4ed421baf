import type { Journal } from "./journal/journal.ts";
import { refusal } from "./refusal.ts";

/**
 * Takes an order of this operator term, and makes the term durable when it is a new one (R2).
 * Called where the order is carried out, after all waiting: an order may have become stale in the queue.
 *
 * @throws {AgentError} `StaleTerm`
 */
export function acceptTerm(journal: Journal, term: number): void {
  const highest = journal.term;
  if (term < highest) throw refusal("StaleTerm", `the order's term ${term} is below ${highest}, the highest seen here`);
  if (term > highest) journal.term = term;
}
