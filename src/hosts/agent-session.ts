import type { ClientHttp2Session } from "node:http2";
import { connect } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Speaks HTTP/2 to an agent over a stream that is connected to its socket. */
export function agentSession(stream: Duplex): ClientHttp2Session {
  // The authority only fills the :authority header; the connection is the given stream.
  const session = connect("http://agent", { createConnection: () => stream as Socket });
  session.on("error", () => {}); // every request is told, and whoever waits for "close"
  return session;
}
