import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { expect } from "chai";
import { startApiServer } from "../../src/apiserver/server.ts";
import { thingManifest } from "../support/api-fixture.ts";
import { ApiHttp } from "../support/api-http.ts";
import { rejection } from "../support/rejection.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const rounds = 10;
const writers = 8;
const processPath = new URL("../support/api-server-process.ts", import.meta.url);
const things = "/apis/example.dev/v1/namespaces/default/things";

/** What a writer was told is stored. A write under way at the kill may have been stored or not. */
interface Acknowledged {
  size: number;
  resourceVersion: number;
}

describe("durability of the embedded API server", function () {
  this.timeout(60_000);
  let directory: ReturnType<typeof temporaryDirectory>;
  let running: ChildProcess | undefined;

  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(async () => {
    await kill();
    directory.remove();
  });

  async function start(): Promise<ApiHttp> {
    const child = fork(processPath, [directory.path], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    running = child;
    const started = once(child, "message");
    const ended = once(child, "exit").then(([code, signal]) => Promise.reject(new Error(`ended: ${code ?? signal}`)));
    const [message] = await Promise.race([started, ended]);
    return new ApiHttp((message as { kubeconfigPath: string }).kubeconfigPath);
  }

  async function kill(): Promise<void> {
    const child = running;
    running = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** Writes one object again and again until the server dies, and keeps what was answered. */
  async function writeUntilDead(api: ApiHttp, name: string, known: Map<string, Acknowledged>, onAnswer: () => void) {
    for (;;) {
      const size = (known.get(name)?.size ?? 0) + 1;
      const isNew = size === 1;
      const answer = await api
        .send(isNew ? things : `${things}/${name}`, {
          method: isNew ? "POST" : "PATCH",
          headers: { "content-type": isNew ? "application/json" : "application/merge-patch+json" },
          body: isNew ? thingManifest({ name }, { size }) : { spec: { size } },
        })
        .catch(() => undefined);
      if (!answer) return;
      expect(answer.code, answer.text).to.be.oneOf([200, 201]);
      known.set(name, { size, resourceVersion: Number(answer.body.metadata.resourceVersion) });
      onAnswer();
    }
  }

  it(`should lose no answered write in ${rounds} kills at any moment`, async () => {
    const known = new Map<string, Acknowledged>();
    let answers = 0;
    for (let round = 0; round < rounds; round++) {
      const api = await start();
      await expectAllStored(api, known);
      const killAt = answers + 20 + Math.floor(Math.random() * 100);
      const onAnswer = () => {
        if (++answers === killAt) running?.kill("SIGKILL");
      };
      const names = Array.from({ length: writers }, (_, index) => `thing-${round}-${index}`);
      await Promise.all(names.map((name) => writeUntilDead(api, name, known, onAnswer)));
      api.close();
      await kill();
    }
    const api = await start();
    await expectAllStored(api, known);
    const list = await api.send(things);
    const highest = Math.max(...[...known.values()].map(({ resourceVersion }) => resourceVersion));
    expect(Number(list.body.metadata.resourceVersion)).to.be.at.least(highest);
    expect(answers).to.be.at.least(rounds * 20);
    api.close();
  });

  async function expectAllStored(api: ApiHttp, known: Map<string, Acknowledged>): Promise<void> {
    const { body } = await api.send(things);
    const stored = new Map<string, { spec: { size: number }; metadata: { resourceVersion: string } }>();
    for (const item of body.items) stored.set(item.metadata.name, item);
    for (const [name, { size, resourceVersion }] of known) {
      const item = stored.get(name);
      expect(item, `${name} is lost`).not.to.equal(undefined);
      expect(item?.spec.size, name).to.be.within(size, size + 1);
      expect(Number(item?.metadata.resourceVersion), name).to.be.at.least(resourceVersion);
      // What was under way at the kill and made it: from now on it is known.
      if (item) known.set(name, { size: item.spec.size, resourceVersion: Number(item.metadata.resourceVersion) });
    }
  }

  it("should let a watcher go on after a kill where it was", async () => {
    const before = await start();
    const first = await before.send(things, { method: "POST", body: thingManifest({ name: "a" }) });
    await before.send(things, { method: "POST", body: thingManifest({ name: "b" }) });
    before.close();
    await kill();
    const after = await start();
    const since = first.body.metadata.resourceVersion;
    for await (const event of after.watch(`${things}?watch=true&resourceVersion=${since}`)) {
      expect([event.type, event.object.metadata.name]).to.deep.equal(["ADDED", "b"]);
      break;
    }
    after.close();
  });

  it("should not let a second process use the data directory, until the first is dead", async () => {
    (await start()).close();
    const options = { dataDirectory: directory.path, port: 0, definitions: [] };
    const message = `data directory ${directory.path} is in use by another instance`;
    expect(await rejection(startApiServer(options))).to.include({ reason: "InUse", message });
    await kill();
    await (await startApiServer(options)).stop();
  });
});
