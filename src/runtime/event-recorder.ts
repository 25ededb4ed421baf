import type { Clock } from "../api/clock.ts";
import type { KubernetesObject } from "../api/object.ts";
import { type CoreEvent, events } from "../api/resources.ts";
import { type Client, isNotFound } from "./client.ts";
import { formatTime } from "./condition.ts";
import type { Log } from "./log.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Tells people what happened to an object: what `kubectl describe` shows below it. */
export interface EventRecorder {
  /**
   * Writes in the background and never fails the caller. `reason` is CamelCase and stable, the message a sentence for
   * people without secrets. The same event again within ten minutes counts up; one object's flood is cut.
   */
  record(object: KubernetesObject, type: "Normal" | "Warning", reason: string, message: string): void;
}

export interface EventWriterOptions {
  client: Client;
  clock: Clock;
  log: Log;
  /** Who reports; `vacate` when absent. */
  component?: string;
}

/** An event as it was written last. */
interface Written {
  event: CoreEvent;
  lastMilliseconds: number;
}

const sameEventSeconds = 600;
/** As in Kubernetes: an object may have 25 events at once, then one every five minutes. */
const eventsAtOnce = 25;
const secondsBetweenEvents = 300;
/** Events are help, not truth: rather lose some than hold up or fill the operator while the server is away. */
const longestBacklog = 1000;
const longestMessage = 1024;

/** Writes core/v1 Events, one after another. */
export class EventWriter implements EventRecorder {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #component: string;
  readonly #written = new Map<string, Written>();
  readonly #buckets = new Map<string, TokenBucket>();
  #last: Promise<void> = Promise.resolve();
  #backlog = 0;

  constructor(options: EventWriterOptions) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#component = options.component ?? "vacate";
  }

  record(object: KubernetesObject, type: "Normal" | "Warning", reason: string, message: string): void {
    const event = this.#event(object, type, reason, message.slice(0, longestMessage));
    const now = this.#clock.monotonicMilliseconds();
    if (this.#backlog >= longestBacklog || !this.#bucketOf(object).tryTake(now)) {
      this.#log.debug({ reason, object: event.involvedObject }, "event dropped");
      return;
    }
    this.#backlog += 1;
    this.#last = this.#last.then(async () => {
      await this.#write(event).catch((error) => this.#log.warn({ err: error, reason }, "event not written"));
      this.#backlog -= 1;
    });
  }

  /** Resolves when everything recorded before is written, or has failed. */
  async flush(): Promise<void> {
    await this.#last;
  }

  #event(object: KubernetesObject, type: CoreEvent["type"], reason: string, message: string): CoreEvent {
    const { name, namespace, uid } = object.metadata;
    const now = this.#clock.now();
    // Unique by nanoseconds as kubelet's and everyone's; the object's name may itself take all the room.
    const suffix = (BigInt(now.getTime()) * 1_000_000n + BigInt(Math.floor(Math.random() * 1e6))).toString(16);
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace: namespace ?? "default", name: `${name.slice(0, 230)}.${suffix}` },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
      },
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: formatTime(now),
      lastTimestamp: formatTime(now),
      source: { component: this.#component },
      reportingComponent: this.#component,
    };
  }

  async #write(event: CoreEvent): Promise<void> {
    const { involvedObject, type, reason, message } = event;
    const key = JSON.stringify([involvedObject, type, reason, message]);
    const now = this.#clock.monotonicMilliseconds();
    this.#forgetOld(now);
    const earlier = this.#written.get(key);
    const counted = earlier === undefined ? undefined : await this.#countUp(earlier.event, event);
    const written = counted ?? (await this.#client.create(events, event));
    this.#written.delete(key);
    this.#written.set(key, { event: written, lastMilliseconds: now });
  }

  /** Undefined when the earlier event is gone: servers drop them after an hour. */
  async #countUp(earlier: CoreEvent, { lastTimestamp }: CoreEvent): Promise<CoreEvent | undefined> {
    const { name, namespace = "default" } = earlier.metadata;
    try {
      return await this.#client.patch(events, { namespace, name }, { count: (earlier.count ?? 1) + 1, lastTimestamp });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #bucketOf(object: KubernetesObject): TokenBucket {
    const { uid, namespace, name } = object.metadata;
    const key = uid ?? `${object.kind}/${namespace ?? ""}/${name}`;
    const bucket = this.#buckets.get(key) ?? new TokenBucket(1 / secondsBetweenEvents, eventsAtOnce);
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #forgetOld(nowMilliseconds: number): void {
    // In the order of their last time: the first that is young ends the search.
    for (const [key, { lastMilliseconds }] of this.#written) {
      if (nowMilliseconds - lastMilliseconds < sameEventSeconds * 1000) break;
      this.#written.delete(key);
    }
    for (const [key, bucket] of this.#buckets) if (bucket.isFull(nowMilliseconds)) this.#buckets.delete(key);
  }
}
