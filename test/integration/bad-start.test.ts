import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Child, startChild } from "../../hack/testbed/child.ts";
import { findLeaks } from "../../hack/testbed/leaks.ts";
import { connectLocalAgent } from "../../src/hosts/http-agent-client.ts";

const vacate = new URL("../../bin/vacate", import.meta.url).pathname;

interface Ended {
  code: number | null;
  stderr: string;
}

describe("a process that cannot start", function () {
  this.timeout(60_000);
  const signal = AbortSignal.timeout(10 * 60_000);
  let folder: string;
  let running: Child[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "vacate-start-"));
    running = [];
  });

  afterEach(async () => {
    for (const child of running) await child.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(findLeaks([folder])).to.deep.equal([]);
  });

  const standalone = (data = "data", port = 0, metricsPort = 0) => [
    ...["standalone", "--data-dir", join(folder, data), "--port", String(port)],
    ...["--metrics-port", String(metricsPort), "--log-level", "error"],
  ];

  const agent = (name = "agent", ...options: string[]) => [
    ...["agent", "--driver", "Simulated", "--data-dir", join(folder, name)],
    ...["--run-dir", join(folder, `${name}-run`), "--log-level", "error", ...options],
  ];

  async function start(args: string[]): Promise<Child> {
    const child = await startChild(args[0] ?? "", [vacate, ...args], { logFile: join(folder, "log"), signal });
    running.push(child);
    return child;
  }

  /** Runs it to its end, which has to come by itself. */
  async function run(args: string[], prefix: string[] = []): Promise<Ended> {
    const [file = "", ...rest] = [...prefix, vacate, ...args];
    const child = spawn(file, rest, { stdio: ["ignore", "ignore", "pipe"], timeout: 30_000, killSignal: "SIGKILL" });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stderr: stderr.trim() };
  }

  async function expectFailure(args: string[], says: RegExp, prefix?: string[]): Promise<void> {
    const { code, stderr } = await run(args, prefix);
    expect(stderr).to.match(says);
    expect(stderr, "one message, no stack").to.not.match(/\n\s+at /);
    expect(code).to.equal(1);
  }

  describe("because a port is taken", () => {
    let taker: Server;
    let port: number;

    beforeEach(async () => {
      taker = createServer().listen(0, "127.0.0.1");
      await once(taker, "listening");
      port = (taker.address() as AddressInfo).port;
    });

    afterEach(() => new Promise((resolve) => taker.close(resolve)));

    it("should name the API's port", () =>
      expectFailure(standalone("data", port), new RegExp(`127\\.0\\.0\\.1:${port}: the port is already taken`)));

    it("should name the metrics' port, and end the API that already served", () =>
      expectFailure(
        standalone("data", 0, port),
        new RegExp(`127\\.0\\.0\\.1:${port} for metrics and health: the port is already taken`),
      ));

    it("should name the data port of an agent", () =>
      expectFailure(
        agent("agent", "--data-port", String(port)),
        new RegExp(`data port 127\\.0\\.0\\.1:${port}: the port is already taken`),
      ));
  });

  it("should say that the address for data is none of this host", () =>
    expectFailure(
      agent("agent", "--data-address", "192.0.2.77"),
      /data port 192\.0\.2\.77:0: that is no address of this host/,
    ));

  describe("because somebody else uses what it needs", () => {
    it("should leave a data directory to the API server that has it", async () => {
      const first = await start(standalone());
      await expectFailure(standalone(), /data directory .*data is in use by another/);
      const { metrics } = JSON.parse(first.readyLine) as { metrics: string };
      expect((await fetch(metrics)).status).to.equal(200);
    });

    it("should leave a journal to the agent that has it", async () => {
      const first = await start(agent());
      await expectFailure(
        agent("agent", "--run-dir", join(folder, "other-run")),
        /data directory .*agent: another agent is using it/,
      );
      await expectAnswer(first);
    });

    it("should leave a socket to the agent that listens there", async () => {
      const first = await start(agent("agent"));
      const { socket } = JSON.parse(first.readyLine) as { socket: string };
      await expectFailure(agent("second", "--socket", socket), /socket .*agent\.sock: another process answers on it/);
      await expectAnswer(first);
    });

    it("should take the socket that a killed agent left", async () => {
      const first = await start(agent());
      await first.kill();
      await expectAnswer(await start(agent()));
    });

    it("should not remove a file that is in the socket's place", async () => {
      const path = join(folder, "precious");
      writeFileSync(path, "data");
      await expectFailure(agent("agent", "--socket", path), /precious.* no socket/);
      expect(existsSync(path)).to.equal(true);
    });
  });

  describe("because a folder is read-only", () => {
    let prefix: string[];
    let readOnly: string;

    beforeEach(() => {
      readOnly = join(folder, "data");
      mkdirSync(readOnly);
      prefix = readOnlyPrefix(readOnly);
    });

    afterEach(() => chmodSync(readOnly, 0o700));

    it("should name the API's data directory", () =>
      expectFailure(standalone(), /data directory .*data is not writable \((EROFS|EACCES)\)/, prefix));

    it("should name the agent's data directory", () =>
      expectFailure(agent("data"), /data directory .*data.*(EROFS|EACCES)/, prefix));
  });

  describe("because its options are wrong", () => {
    const wrong: [string, string[], RegExp][] = [
      ["an unknown command", ["stand-alone"], /no command "stand-alone"/],
      ["no data directory", ["standalone"], /--data-dir is missing/],
      [
        "a port that is none",
        ["standalone", "--data-dir", "x", "--port", "99999"],
        /--port "99999" .* from 0 to 65535/,
      ],
      ["a log level that is none", ["operator", "--log-level", "loud"], /--log-level "loud" is none of debug, info/],
      ["an unknown option", ["agent", "--drivers", "QEMU"], /Unknown option '--drivers'/],
      ["an unknown driver", ["agent", "--driver", "Xen"], /--driver "Xen" is neither QEMU nor Simulated/],
      ["a size that is none", ["agent", "--memory", "lots"], /--memory: memory "lots" is not a size/],
      ["another driver's option", ["agent", "--speed", "3"], /--speed makes no sense with --driver QEMU/],
      ["a manifest of nothing", ["sample", "pod"], /no sample of "pod"; there are reservation/],
      ["a duration that is none", ["sample", "reservation", "--in", "soon"], /--in: duration "soon"/],
    ];
    for (const [what, args, says] of wrong) {
      it(`should say so of ${what}`, async () => {
        const { code, stderr } = await run(args);
        expect(stderr).to.match(says);
        expect(code, "the code for a wrong command line").to.equal(2);
      });
    }

    it("should name the kubeconfig that is not there", () =>
      expectFailure(
        ["operator", "--kubeconfig", join(folder, "absent")],
        /kubeconfig .*absent cannot be read: ENOENT/,
      ));
  });
});

async function expectAnswer(child: Child): Promise<void> {
  const { socket } = JSON.parse(child.readyLine) as { socket: string };
  const connection = await connectLocalAgent(socket);
  try {
    expect((await connection.host(AbortSignal.timeout(10_000))).driver).to.equal("Simulated");
  } finally {
    await connection.close();
  }
}

/** What to run a command under so that it finds the folder read-only: rights do not keep root out, a mount of its own does. */
function readOnlyPrefix(folder: string): string[] {
  if (process.getuid?.() !== 0) {
    chmodSync(folder, 0o500);
    return [];
  }
  const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"`;
  return ["unshare", "--mount", "sh", "-c", script, folder];
}
