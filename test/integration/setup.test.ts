import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { download, findCommand } from "../../hack/setup/apt.mjs";
import { ensureInstalled, servicesIn } from "../../hack/setup/system-packages.mjs";
import { rejection } from "../support/rejection.ts";

const run = promisify(execFile);
const setup = new URL("../../hack/setup.mjs", import.meta.url).pathname;

describe("set-up", function () {
  this.timeout(300_000); // it downloads
  let folder: string;

  before(function () {
    if (!findCommand("apt-get")) this.skip();
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "vacate-setup-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("should open no listening socket, install nothing and start nothing while it fetches all into a fresh cache", async () => {
    const before = { sockets: listeningSockets(), packages: await installedPackages(), units: unitFiles() };

    // Two at once, as `npm test` and `npm run demo` in two terminals.
    const said = await Promise.all([runSetup(folder), runSetup(folder)]);

    expect(said.join("")).to.match(/ready after [\d.]+ s/);
    expect(readdirSync(join(folder, "vacate", "packages")).sort()).to.include.members([
      "busybox-static",
      "linux-image-cloud-amd64",
    ]);
    const kernel = readdirSync(join(folder, "vacate", "packages", "linux-image-cloud-amd64", "boot"));
    expect(kernel.filter((name) => name.startsWith("vmlinuz-"))).to.have.lengthOf(1);
    const leftOver = readdirSync(join(folder, "vacate", "packages")).filter((name) => name.startsWith(".unpacking"));
    expect(leftOver).to.deep.equal([]);

    expect(await installedPackages()).to.deep.equal(before.packages);
    expect(unitFiles()).to.deep.equal(before.units);
    expect(newcomers(before.sockets, listeningSockets())).to.deep.equal([]);

    expect(await runSetup(folder)).to.contain("all was there");
  });

  it("should find the services that a package would start, and none in those that are installed", async () => {
    const names = ["openssh-server", "qemu-system-x86", "qemu-utils", "cpio", "zstd"];
    await download(names, folder);
    for (const name of names) {
      const file = readdirSync(folder).find((each) => each.startsWith(`${name}_`)) ?? "";
      const services = await servicesIn(join(folder, file));
      if (name === "openssh-server") expect(services.join()).to.contain("ssh.service").and.contain("init.d/ssh");
      else expect(services, name).to.deep.equal([]);
    }
  });

  it("should name all missing packages and the command to install them when it may not install", async () => {
    const missing = { "no-such-command-a": "package-a", sh: "dash", "no-such-command-b": "package-b" };
    const { message } = await rejection(ensureInstalled(missing, async () => undefined));
    expect(message).to.contain("package-a, package-b");
    expect(message).to.contain("sudo apt-get install --no-install-recommends package-a package-b");
  });

  it("should refuse a need that it does not know, and say which it knows", async () => {
    const error = await rejection(run(process.execPath, [setup, "--need", "tea"]));
    expect(error.message).to.contain("--need tea").and.contain("demo");
  });
});

async function runSetup(cacheHome: string): Promise<string> {
  const environment = { ...process.env, XDG_CACHE_HOME: cacheHome };
  return (await run(process.execPath, [setup, "--need", "demo"], { env: environment })).stderr;
}

async function installedPackages(): Promise<string> {
  return (await run("dpkg-query", ["-W"])).stdout;
}

function unitFiles(): string[] {
  const folders = ["/lib/systemd/system", "/etc/systemd/system", "/etc/init.d"];
  return folders.flatMap((each) => {
    try {
      return readdirSync(each, { recursive: true }).map((name) => join(each, String(name)));
    } catch {
      return []; // no such folder: a container without systemd
    }
  });
}

/** Every listening TCP socket of this network namespace as hexadecimal address:port. */
function listeningSockets(): string[] {
  const listening = "0A";
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) =>
    readFileSync(table, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === listening)
      .map((fields) => String(fields[1])),
  );
}

/** New sockets, without those that other tests on this machine open meanwhile: on loopback, at a port the kernel chose. */
function newcomers(before: string[], after: string[]): string[] {
  return after.filter((socket) => {
    const [address = "", port = ""] = socket.split(":");
    const isLoopback = address === "0100007F" || address.endsWith("01000000") || address.endsWith("0100007F");
    return !before.includes(socket) && !(isLoopback && Number.parseInt(port, 16) >= 32768);
  });
}
