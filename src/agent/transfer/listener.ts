import { randomBytes, timingSafeEqual } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import { createSecureContext, createServer, type SecureContext, type Server, type TLSSocket } from "node:tls";
import type { AgentContext } from "../context.ts";
import { refusal } from "../refusal.ts";
import type { TransferCertificate } from "./certificate.ts";
import { fingerprintOf } from "./certificate.ts";
import { Channel } from "./channel.ts";
import { transferVersion } from "./frames.ts";

/** Connections at once, authenticated or not. */
const mostConnections = 128;

/** A source that may connect once. */
export interface ExpectedSource {
  migrationId: string;
  uid: string;
  epoch: number;
  sourceFingerprint: string;
  certificate: TransferCertificate;
  /** Gets the connection when certificate and token were right. */
  onChannel(channel: Channel): void;
}

interface Expectation extends ExpectedSource {
  context: SecureContext;
  /** Undefined when it was used. */
  token: Buffer | undefined;
}

/**
 * The agent's data port. The server name in the handshake picks the migration; its certificate is presented, the source's is
 * required, and then the token, once. A stranger without the source's key can use up nothing.
 */
export class TransferListener {
  readonly #agent: AgentContext;
  readonly #expected = new Map<string, Expectation>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(agent: AgentContext) {
    this.#agent = agent;
    this.#server = createServer({
      minVersion: "TLSv1.3",
      requestCert: true,
      rejectUnauthorized: false, // the fingerprint decides, there is no authority
      handshakeTimeout: agent.limits.handshakeMilliseconds,
      SNICallback: (name, done) => {
        const found = this.#expected.get(name);
        if (found) done(null, found.context);
        else done(new Error("no migration expects this connection"));
      },
    });
    this.#server.maxConnections = mostConnections;
    this.#server.on("secureConnection", (socket) => this.#admit(socket));
    this.#server.on("connection", (socket) => this.#keepTrack(socket));
    this.#server.on("tlsClientError", (error, socket) => {
      agent.logger.info({ err: error }, "data connection refused");
      socket.destroy();
    });
  }

  /** @throws when the port cannot be listened on */
  listen(address: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (error: NodeJS.ErrnoException) =>
        reject(new Error(`data port ${address}:${port}: ${listenProblem(error)}`, { cause: error }));
      this.#server.once("error", refuse);
      this.#server.listen({ host: address, port, exclusive: true }, () => {
        this.#server.off("error", refuse);
        resolve();
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Opens the port to one source. Returns the token, in hex, that it has to bring. */
  expect(source: ExpectedSource): string {
    const token = randomBytes(32);
    const { certificatePem: cert, privateKeyPem: key, fingerprint } = source.certificate;
    const context = createSecureContext({ minVersion: "TLSv1.3", cert, key });
    this.#expected.set(serverNameFor(fingerprint), { ...source, context, token });
    return token.toString("hex");
  }

  /** Closes the port to that migration's source. */
  forget(migrationId: string): void {
    for (const [name, expected] of this.#expected)
      if (expected.migrationId === migrationId) this.#expected.delete(name);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #admit(socket: TLSSocket): void {
    this.#keepTrack(socket);
    socket.on("error", (error) => this.#agent.logger.debug({ err: error }, "data connection failed"));
    this.#authenticate(socket).catch((error) => {
      this.#agent.logger.warn({ err: error, peer: socket.remoteAddress }, "data connection refused");
      socket.destroy();
    });
  }

  #keepTrack(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async #authenticate(socket: TLSSocket): Promise<void> {
    const expected = this.#expected.get(String(socket.servername));
    const der = socket.getPeerCertificate().raw as Buffer | undefined;
    if (expected === undefined || der === undefined || socket.isSessionReused()) throw new Error("nobody is expected");
    if (fingerprintOf(der) !== expected.sourceFingerprint) throw new Error("the certificate is not the source's");
    const { clock, limits } = this.#agent;
    const channel = new Channel(socket, clock, limits.idleMilliseconds);
    const patience = AbortSignal.timeout(limits.handshakeMilliseconds);
    const giveUp = () => channel.destroy(new Error("nothing was said in time"));
    patience.addEventListener("abort", giveUp, { once: true });
    try {
      const hello = await channel.expect("Hello");
      const token = expected.token;
      expected.token = undefined; // whatever happens now, it was used
      if (token === undefined || !isEqual(token, hello.token)) throw new Error("the token is not valid");
      checkHello(expected, hello);
      await channel.send({ type: "Accepted" });
    } catch (error) {
      await channel.fail(refusal("CopyFailed", "the target does not accept this connection"));
      throw error;
    } finally {
      patience.removeEventListener("abort", giveUp);
    }
    expected.onChannel(channel);
  }
}

/** What a source calls the migration in the clear part of its handshake: derived from the certificate, tells nothing. */
export function serverNameFor(targetFingerprint: string): string {
  return `${targetFingerprint.slice(0, 32)}.migration.invalid`;
}

function isEqual(token: Buffer, given: string): boolean {
  const bytes = Buffer.from(given, "hex");
  return bytes.length === token.length && timingSafeEqual(bytes, token);
}

function checkHello(
  expected: ExpectedSource,
  hello: { version: number; migrationId: string; uid: string; epoch: number },
): void {
  if (hello.version !== transferVersion) throw new Error(`the source speaks version ${hello.version}`);
  for (const field of ["migrationId", "uid", "epoch"] as const) {
    if (hello[field] !== expected[field]) throw new Error(`${field} is ${hello[field]}, expected ${expected[field]}`);
  }
}

function listenProblem({ code, message }: NodeJS.ErrnoException): string {
  if (code === "EADDRINUSE") return "the port is already taken";
  if (code === "EADDRNOTAVAIL") return "that is no address of this host";
  return message;
}
