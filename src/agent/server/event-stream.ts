import type { ServerHttp2Stream } from "node:http2";
import type { AgentEvents } from "../agent-events.ts";
import type { AgentEvent } from "../protocol/types.ts";

/** A listener that lags behind by more is dropped; it connects anew and reads everything. */
const longestBacklogBytes = 1024 * 1024;

/** Writes events as one JSON object a line until either side ends the stream; `hello` comes first. */
export function streamEvents(stream: ServerHttp2Stream, events: AgentEvents, hello: AgentEvent): void {
  const write = (event: AgentEvent) => {
    if (stream.writableLength > longestBacklogBytes) stream.destroy();
    else if (stream.writable) stream.write(`${JSON.stringify(event)}\n`);
  };
  stream.respond({ ":status": 200, "content-type": "application/x-ndjson" });
  const unsubscribe = events.subscribe(write);
  stream.once("close", unsubscribe);
  write(hello);
}
