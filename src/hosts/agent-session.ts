import type { ClientHttp2Session } from "node:http2";
import { connect } from "node:http2";
import type { Socket } from "node:net";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { HostConnectionError } from "./host-connection-error.ts";
import { HttpAgentClient } from "./http-agent-client.ts";

/** Speaks HTTP/2 to an agent over a stream that is connected to its socket. */
export function agentSession(stream: Duplex): ClientHttp2Session {
  // The authority only fills the :authority header; the connection is the given stream.
  const session = connect("http://agent", { createConnection: () => stream as Socket });
  session.on("error", () => {}); // every request is told, and whoever waits for "close"
  return session;
}

export interface LocalAgent {
  client: HttpAgentClient;
  close(): void;
}

/**
 * Connects to an agent on this machine, without SSH.
 *
 * @throws {HostConnectionError} `AgentNotListening`
 */
export async function connectLocalAgent(socketPath: string): Promise<LocalAgent> {
  const socket = createConnection(socketPath);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (error) => {
      const message = `no agent answers on the socket ${socketPath}: ${error.message}; is \`vacate agent\` running?`;
      reject(new HostConnectionError("AgentNotListening", message, error));
    });
  });
  const session = agentSession(socket);
  return { client: new HttpAgentClient(session, "localhost"), close: () => session.destroy() };
}
