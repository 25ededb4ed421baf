import type { Clock } from "../../api/clock.ts";
import type { Logger } from "../logger.ts";
import type { ServedResource } from "../registry/registry.ts";
import type { ObjectWriter } from "../rest/object-writer.ts";
import { StatusError } from "../status.ts";
import type { Store } from "../store/store.ts";

const keptMilliseconds = 60 * 60 * 1000;
const intervalMilliseconds = 60_000;

/** Deletes events nobody has touched for an hour, once a minute, until the signal is aborted. */
export async function expireEvents(
  events: ServedResource,
  dependencies: { store: Store; writer: ObjectWriter; clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { store, writer, clock, logger } = dependencies;
  while (!signal.aborted) {
    try {
      await clock.sleep(intervalMilliseconds, signal);
      await deleteExpired(events, store, writer, clock.now());
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error }, "old events cannot be deleted");
    }
  }
}

async function deleteExpired(events: ServedResource, store: Store, writer: ObjectWriter, now: Date): Promise<void> {
  await store.settled();
  const expired = [];
  for (const event of store.revisions.list({ resource: events.storage }, store.revision)) {
    const times = [event.lastTimestamp, event.eventTime, event.metadata.creationTimestamp];
    const newest = Math.max(...times.map((time) => (typeof time === "string" ? Date.parse(time) : 0)));
    if (now.getTime() - newest > keptMilliseconds) expired.push(event.metadata);
  }
  const deletions = expired.map(({ namespace = "", name, resourceVersion }) =>
    writer.delete(events, { namespace, name }, { dryRun: false, preconditions: { resourceVersion } }).catch((error) => {
      // Changed or deleted in the meantime: it is no longer the expired one.
      if (!(error instanceof StatusError && [404, 409].includes(error.code))) throw error;
    }),
  );
  await Promise.all(deletions);
}
