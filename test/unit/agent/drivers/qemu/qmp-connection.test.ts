import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { QmpConnection, QmpError, type QmpEvent } from "../../../../../src/agent/drivers/qemu/qmp-connection.ts";
import { rejection } from "../../../../support/rejection.ts";

interface Command {
  execute: string;
  arguments: unknown;
  id: number;
}

/** A monitor that answers as told. */
class ScriptedMonitor {
  readonly path: string;
  readonly received: Command[] = [];
  readonly #server: Server;
  socket: Socket | undefined;

  constructor(path: string, answer: (command: Command, socket: Socket) => void) {
    this.path = path;
    this.#server = createServer((socket) => {
      this.socket = socket;
      socket.on("error", () => {});
      socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) {
          const command = JSON.parse(line) as Command;
          this.received.push(command);
          if (command.execute === "qmp_capabilities") socket.write(`{"return": {}, "id": ${command.id}}\r\n`);
          else answer(command, socket);
        }
      });
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(this.path);
    await once(this.#server, "listening");
  }

  close(): void {
    this.socket?.destroy();
    this.#server.close();
  }
}

describe("QMP connection", () => {
  const signal = new AbortController().signal;
  let folder: string;
  let monitor: ScriptedMonitor;

  async function connected(answer: (command: Command, socket: Socket) => void): Promise<QmpConnection> {
    monitor = new ScriptedMonitor(join(folder, "monitor"), answer);
    await monitor.listen();
    return QmpConnection.open(monitor.path, signal);
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "vacate-qmp-"));
  });

  afterEach(async () => {
    monitor?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("should give each command its own answer, in whatever order and pieces they come", async () => {
    const held: Command[] = [];
    const connection = await connected((command, socket) => {
      held.push(command);
      if (held.length < 2) return;
      const answers = held.reverse().map(({ id, execute }) => `{"return": {"was": "${execute}"}, "id": ${id}}\r\n`);
      const text = answers.join("");
      socket.write(text.slice(0, 7));
      setImmediate(() => socket.write(text.slice(7)));
    });
    const [first, second] = await Promise.all([
      connection.execute("first", {}),
      connection.execute("second", { a: 1 }),
    ]);
    expect(first).to.deep.equal({ was: "first" });
    expect(second).to.deep.equal({ was: "second" });
    expect(monitor.received.at(-1)?.arguments).to.deep.equal({ a: 1 });
  });

  it("should reject with QEMU's own words", async () => {
    const connection = await connected(({ id }, socket) => {
      socket.write(`{"error": {"class": "GenericError", "desc": "no such thing"}, "id": ${id}}\r\n`);
    });
    const error = await rejection(connection.execute("cont", {}));
    expect(error).to.be.instanceOf(QmpError);
    expect(error.message).to.equal("cont: no such thing");
  });

  it("should reject what is under way when QEMU goes away, and everything afterwards", async () => {
    const connection = await connected((_, socket) => socket.destroy());
    expect((await rejection(connection.execute("stop", {}))).message).to.contain("closed its monitor");
    await connection.closed;
    expect(connection.isClosed).to.equal(true);
    expect((await rejection(connection.execute("stop", {}))).message).to.contain("closed its monitor");
    const never = connection.waitForEvent(() => true, signal);
    expect((await rejection(never)).message).to.contain("closed its monitor");
  });

  it("should hand out events, and stop waiting when told", async () => {
    const connection = await connected(({ id }, socket) => {
      socket.write('{"event": "STOP", "timestamp": {}}\r\n{"event": "MIGRATION", "data": {"status": "completed"}}\r\n');
      socket.write(`{"return": {}, "id": ${id}}\r\n`);
    });
    const seen: QmpEvent[] = [];
    connection.onEvent((event) => seen.push(event));
    const migrated = connection.waitForEvent(({ event }) => event === "MIGRATION", signal);
    await connection.execute("migrate", {});
    expect((await migrated).data).to.deep.equal({ status: "completed" });
    expect(seen.map(({ event }) => event)).to.deep.equal(["STOP", "MIGRATION"]);

    const patience = new AbortController();
    const waiting = connection.waitForEvent(() => true, patience.signal);
    patience.abort(new Error("enough"));
    expect((await rejection(waiting)).message).to.equal("enough");
  });

  it("should give up connecting where nobody listens, or nobody speaks", async () => {
    const absent = (await rejection(QmpConnection.open(join(folder, "nothing"), signal))) as NodeJS.ErrnoException;
    expect(absent.code).to.equal("ENOENT");
    // As QEMU does for a second client: connected, and silent.
    const silent = createServer(() => {});
    silent.listen(join(folder, "silent"));
    await once(silent, "listening");
    const patience = new AbortController();
    const opening = QmpConnection.open(join(folder, "silent"), patience.signal);
    patience.abort(new Error("enough"));
    expect((await rejection(opening)).message).to.equal("enough");
    silent.close();
  });

  it("should hang up on what is not JSON", async () => {
    const connection = await connected((_, socket) => socket.write("oops\n"));
    expect((await rejection(connection.execute("stop", {}))).message).to.contain("closed its monitor");
  });
});
