import { EventEmitter, once } from "node:events";
import { type AddressInfo, createConnection } from "node:net";
import ssh2, { type Connection, type Server } from "ssh2";
import { type SshKeyPair, sshKeyPair } from "../../hack/testbed/ssh-key-pair.ts";

/** An SSH server in this process that lets everybody in and can be told to misbehave. */
export class ScriptedSshServer {
  readonly hostKeyPair: SshKeyPair = sshKeyPair();
  /** How many connections were made so far. */
  connections = 0;
  /** How many times somebody tried to log in. */
  logins = 0;
  letsIn = true;
  forwards = true;
  /** Emits "refused" for each stream that was not forwarded. */
  readonly attempts = new EventEmitter();
  /** The port of the latest start. */
  port = 0;
  readonly #live = new Set<Connection>();
  readonly #server: Server;

  constructor() {
    this.#server = new ssh2.Server({ hostKeys: [this.hostKeyPair.privateKey] }, (connection) =>
      this.#serve(connection),
    );
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** Breaks all connections off, as a cut cable would after the time for it. */
  drop(): void {
    for (const connection of this.#live) connection.end();
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.drop();
    await closed;
  }

  #serve(connection: Connection): void {
    this.connections += 1;
    this.#live.add(connection);
    connection.once("close", () => this.#live.delete(connection));
    connection.on("error", () => {});
    connection.on("authentication", (attempt) => {
      this.logins += 1;
      if (this.letsIn) attempt.accept();
      else attempt.reject();
    });
    connection.on("openssh.streamlocal", (accept, reject, { socketPath }) => {
      if (!this.forwards) {
        reject();
        this.attempts.emit("refused");
        return;
      }
      const socket = createConnection(socketPath);
      socket.once("error", () => reject());
      socket.once("connect", () => {
        const channel = accept();
        socket.on("error", () => {});
        channel.pipe(socket).pipe(channel);
        channel.once("close", () => socket.destroy());
      });
    });
  }
}
