import type { ServerResponse } from "node:http";
import type { ServedResource } from "../registry/registry.ts";
import type { WatchEvent, WatchSink } from "../rest/watch.ts";
import type { Status } from "../status.ts";
import { type View, viewBookmark, viewObject } from "./representation.ts";

/** A consumer further behind than this is cut; it comes back and goes on where it was. */
const maximumBufferedBytes = 16 * 1024 * 1024;

/** Writes watch events to a response, one JSON document a line. */
export class WatchStream implements WatchSink {
  readonly #response: ServerResponse;
  readonly #resource: ServedResource;
  readonly #view: View;
  readonly #now: () => Date;
  #columnsSent = false;

  constructor(response: ServerResponse, resource: ServedResource, view: View, now: () => Date) {
    this.#response = response;
    this.#resource = resource;
    this.#view = view;
    this.#now = now;
  }

  event(event: WatchEvent): void {
    const view = { ...this.#view, now: this.#now() };
    this.#send(event.type, this.#withoutRepeatedColumns(viewObject(this.#resource, event.object, view)));
  }

  bookmark(bookmark: { apiVersion: string; kind: string; resourceVersion: string }): void {
    this.#send("BOOKMARK", this.#withoutRepeatedColumns(viewBookmark(this.#resource, bookmark, this.#view)));
  }

  error(status: Status): void {
    this.#send("ERROR", status);
  }

  /** Only the first Table of a watch describes its columns. */
  #withoutRepeatedColumns(object: unknown): unknown {
    if (this.#view.representation !== "Table") return object;
    if (this.#columnsSent) return { ...(object as object), columnDefinitions: null };
    this.#columnsSent = true;
    return object;
  }

  #send(type: string, object: unknown): void {
    if (this.#response.destroyed) return;
    if (this.#response.writableLength > maximumBufferedBytes) {
      this.#response.destroy();
      return;
    }
    this.#response.write(`${JSON.stringify({ type, object })}\n`);
  }
}
