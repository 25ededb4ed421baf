import { connect, type TLSSocket } from "node:tls";
import type { Clock } from "../../api/clock.ts";
import type { AgentLimits } from "../context.ts";
import { refusal } from "../refusal.ts";
import type { TransferCertificate } from "./certificate.ts";
import { fingerprintOf } from "./certificate.ts";
import { Channel } from "./channel.ts";
import { type Frame, transferVersion } from "./frames.ts";
import { serverNameFor } from "./listener.ts";

export interface TransferTarget {
  address: string;
  dataPort: number;
  fingerprint: string;
}

/**
 * Opens the source's side of a data connection. The token leaves only after the target has proved its certificate.
 *
 * @throws {AgentError} `CopyFailed` when the target does not answer in time, is another one, or does not accept
 */
export async function connectToTarget(
  target: TransferTarget,
  certificate: TransferCertificate,
  hello: Omit<Extract<Frame, { type: "Hello" }>, "type" | "version">,
  clock: Clock,
  limits: AgentLimits,
  signal: AbortSignal,
): Promise<Channel> {
  const where = `${target.address}:${target.dataPort}`;
  const patience = AbortSignal.timeout(limits.handshakeMilliseconds);
  const socket = connect({
    host: target.address,
    port: target.dataPort,
    servername: serverNameFor(target.fingerprint),
    minVersion: "TLSv1.3",
    cert: certificate.certificatePem,
    key: certificate.privateKeyPem,
    rejectUnauthorized: false, // the fingerprint decides, there is no authority
  });
  const giveUp = () => socket.destroy(new Error(patience.aborted ? "no answer in time" : "given up"));
  const either = AbortSignal.any([patience, signal]);
  either.addEventListener("abort", giveUp, { once: true });
  try {
    await secured(socket, where);
    const found = fingerprintOf(socket.getPeerCertificate().raw);
    if (found !== target.fingerprint)
      throw refusal("CopyFailed", `${where} is not the target: its certificate is ${found}`);
    const channel = new Channel(socket, clock, limits.idleMilliseconds);
    await channel.send({ type: "Hello", version: transferVersion, ...hello });
    await channel.expect("Accepted");
    return channel;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw error;
  } finally {
    either.removeEventListener("abort", giveUp);
  }
}

function secured(socket: TLSSocket, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on("error", (error) => reject(refusal("CopyFailed", `no data connection to ${where}: ${error.message}`)));
    socket.once("close", () => reject(refusal("CopyFailed", `no data connection to ${where}: it was closed`)));
    socket.once("secureConnect", resolve);
  });
}
