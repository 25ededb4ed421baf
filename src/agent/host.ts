import type { AgentContext } from "./context.ts";
import { allocation, holdsAt } from "./guests/admission.ts";
import type { HoldsOrder, HostReport } from "./protocol/types.ts";
import { acceptTerm } from "./terms.ts";

/** Version of the agent, told to the operator. */
const agentVersion = "0.1.0";

/** The host as a whole: what it is, what is left of it, and for whom it is held. */
export class Host {
  readonly #context: AgentContext;

  constructor(context: AgentContext) {
    this.#context = context;
  }

  async report(): Promise<HostReport> {
    const { bootId, clock, driver, ending, journal } = this.#context;
    const description = await driver.describe(ending);
    return {
      agentUuid: journal.agentUuid,
      bootId,
      version: agentVersion,
      driver: driver.name,
      ...description,
      allocated: allocation(journal.guests()),
      operatorTerm: journal.term,
      holds: holdsAt(journal.holds, clock.now()),
    };
  }

  /** Replaces all holds, durably. Guests that are here stay; new ones are refused. */
  async setHolds(order: HoldsOrder): Promise<void> {
    const { events, journal } = this.#context;
    acceptTerm(journal, order.term);
    journal.holds = order.holds;
    events.emit({ type: "HostChanged" });
  }
}
