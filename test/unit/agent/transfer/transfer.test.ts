import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect } from "chai";
import { pino } from "pino";
import type { AgentContext } from "../../../../src/agent/context.ts";
import { defaultLimits } from "../../../../src/agent/context.ts";
import type { StatePart, StatePartName, StateSink } from "../../../../src/agent/drivers/driver.ts";
import { refusal } from "../../../../src/agent/refusal.ts";
import { makeCertificate, type TransferCertificate } from "../../../../src/agent/transfer/certificate.ts";
import type { Channel } from "../../../../src/agent/transfer/channel.ts";
import { blockHash } from "../../../../src/agent/transfer/checksum.ts";
import { connectToTarget } from "../../../../src/agent/transfer/connect.ts";
import type { Frame } from "../../../../src/agent/transfer/frames.ts";
import { serverNameFor, TransferListener } from "../../../../src/agent/transfer/listener.ts";
import { receiveState } from "../../../../src/agent/transfer/receive-state.ts";
import { sendState } from "../../../../src/agent/transfer/send-state.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { rejection } from "../../../support/rejection.ts";
import { until } from "../../../support/until.ts";

const hello = { migrationId: "m", uid: "vm", epoch: 1 };
const never = new AbortController().signal;

describe("a transfer between agents", () => {
  let listener: TransferListener;
  let sourceCertificate: TransferCertificate;
  let targetCertificate: TransferCertificate;
  let clock: FakeClock;
  let token: string;
  let arrived: Channel | undefined;
  const channels: Channel[] = [];

  before(async () => {
    sourceCertificate = await makeCertificate(new Date());
    targetCertificate = await makeCertificate(new Date());
  });

  beforeEach(async () => {
    clock = new FakeClock();
    arrived = undefined;
    listener = new TransferListener({
      ...{ clock, limits: { ...defaultLimits, handshakeMilliseconds: 1000 } },
      logger: pino({ level: "silent" }),
    } as unknown as AgentContext);
    await listener.listen("127.0.0.1", 0);
    token = listener.expect({
      ...hello,
      sourceFingerprint: sourceCertificate.fingerprint,
      certificate: targetCertificate,
      onChannel: (channel) => {
        arrived = channel;
        channels.push(channel);
      },
    });
  });

  afterEach(async () => {
    for (const channel of channels.splice(0)) channel.destroy(new Error("the test is over"));
    await listener.close();
  });

  async function connect(change: { token?: string; fingerprint?: string; certificate?: TransferCertificate } = {}) {
    const { certificate = sourceCertificate, fingerprint = targetCertificate.fingerprint } = change;
    const target = { address: "127.0.0.1", dataPort: listener.port, fingerprint };
    const limits = { ...defaultLimits, handshakeMilliseconds: 3000 };
    const greeting = { ...hello, token: change.token ?? token };
    const channel = await connectToTarget(target, certificate, greeting, clock, limits, never);
    channels.push(channel);
    return channel;
  }

  async function pair(): Promise<[Channel, Channel]> {
    const source = await connect();
    return [source, await until("the channel at the target", () => arrived)];
  }

  it("should carry what the source sends, bytes for bytes, without holes and zero blocks", async () => {
    const [source, target] = await pair();
    const memory = Buffer.alloc(5 * 2 ** 20 + 123);
    for (let at = 0; at < memory.length; at += 200_000) memory.write(`written at ${at}`, at);
    memory.fill(0, 2 ** 20, 3 * 2 ** 20);
    const sinks = new MemorySinks();
    const parts = [part("memory", memory), part("disk", Buffer.alloc(0)), part("device", Buffer.from("device"))];
    const [sent, receivedBytes] = await Promise.all([
      sendState(source, parts, never, () => {}),
      receiveState(target, sinks.open, never, () => {}),
    ]);
    expect(sinks.contents.get("memory")?.equals(memory)).to.equal(true);
    expect(sinks.contents.get("device")?.toString()).to.equal("device");
    expect(receivedBytes).to.equal(sent.bytesDone);
    expect(sent.bytesTotal).to.equal(sent.bytesDone);
    expect(sent.bytesDone).to.be.lessThan(3 * 2 ** 20);
  });

  it("should hold a fast source back while a sink is slow", async () => {
    const [source, target] = await pair();
    const gate = Promise.withResolvers<void>();
    let bytesSent = 0;
    const sinks = new MemorySinks(gate.promise);
    const big = Buffer.alloc(64 * 2 ** 20, "x");
    const sending = sendState(source, [part("memory", big)], never, (it) => {
      bytesSent = it.bytesDone;
    });
    const receiving = receiveState(target, sinks.open, never, () => {});
    await until("the source to stop", async () => {
      const before = bytesSent;
      await new Promise((resolve) => setTimeout(resolve, 150));
      return before > 0 && before === bytesSent;
    });
    expect(bytesSent).to.be.lessThan(32 * 2 ** 20);
    gate.resolve();
    await Promise.all([sending, receiving]);
    expect(sinks.contents.get("memory")?.equals(big)).to.equal(true);
  });

  const blocks = (...frames: Frame[]) => [
    { type: "PartBegin", name: "memory", sizeBytes: 200_000 } as Frame,
    ...frames,
  ];
  const data = Buffer.from("data");
  const block = { type: "Block", offset: 0, hash: blockHash(data), data } as const;
  for (const [what, frames, message] of [
    ["a block whose bytes changed", blocks({ ...block, hash: 1n }), "other bytes"],
    ["a block beyond the part's end", blocks({ ...block, offset: 4 * 65_536 }), "beyond"],
    ["a block that is not aligned", blocks({ ...block, offset: 10 }), "aligned"],
    ["a block that comes twice", blocks(block, block), "comes after"],
    ["a missing block", blocks({ type: "PartEnd", dataBytes: 4, digest: "0".repeat(16) }), "0 of 4 bytes"],
    ["another digest", blocks(block, { type: "PartEnd", dataBytes: 4, digest: "0".repeat(16) }), "not those"],
    ["an end with other totals", [{ type: "StateEnd", parts: 1, dataBytes: 0 } as Frame], "in 1 parts were sent"],
    ["a part within a part", blocks(...blocks()), "came in the middle"],
    ["a vote from the wrong side", [{ type: "Loaded", migrationId: "m", epoch: 1 } as Frame], "between two parts"],
  ] as [string, Frame[], string][]) {
    it(`should refuse ${what}`, async () => {
      const [source, target] = await pair();
      for (const frame of frames) await source.send(frame);
      const error = await rejection(receiveState(target, new MemorySinks().open, never, () => {}));
      expect(error).to.include({ reason: "CopyFailed" });
      expect(error.message).to.contain(message);
    });
  }

  it("should refuse a wrong token, and the right one after it", async () => {
    const wrong = await rejection(connect({ token: "0".repeat(64) }));
    expect(wrong).to.include({ reason: "CopyFailed" });
    expect(await rejection(connect())).to.include({ reason: "CopyFailed" });
    expect(arrived).to.equal(undefined);
  });

  it("should take a token once", async () => {
    await pair();
    expect(await rejection(connect())).to.include({ reason: "CopyFailed" });
  });

  it("should refuse another certificate before it can use up the token", async () => {
    const stranger = await makeCertificate(new Date());
    expect(await rejection(connect({ certificate: stranger }))).to.include({ reason: "CopyFailed" });
    await pair();
  });

  it("should not talk to a target with another certificate", async () => {
    const other = await makeCertificate(new Date());
    const error = await rejection(connect({ fingerprint: other.fingerprint }));
    expect(error).to.include({ reason: "CopyFailed" });
    expect(arrived).to.equal(undefined);
  });

  it("should refuse TLS below 1.3, and whoever brings no certificate", async () => {
    const servername = serverNameFor(targetCertificate.fingerprint);
    const base = { port: listener.port, host: "127.0.0.1", servername, rejectUnauthorized: false };
    const { certificatePem: cert, privateKeyPem: key } = sourceCertificate;
    await closedSoon(connectTls({ ...base, cert, key, maxVersion: "TLSv1.2" }));
    await closedSoon(connectTls(base));
    await pair();
  });

  it("should drop whoever says nothing, or no TLS", async () => {
    const mute = connectTcp(listener.port, "127.0.0.1");
    const loud = connectTcp(listener.port, "127.0.0.1");
    loud.write("GET / HTTP/1.1\r\n\r\n");
    await Promise.all([closedSoon(mute), closedSoon(loud)]);
  });

  it("should give up on a side that is silent for long while it is waited for", async () => {
    const [source, target] = await pair();
    const waiting = rejection(target.receive());
    source.send = () => new Promise(() => {}); // alive no more, but the connection stands
    await clock.advance(defaultLimits.idleMilliseconds + defaultLimits.idleMilliseconds / 4);
    const error = await waiting;
    expect(error).to.include({ reason: "CopyFailed" });
    expect(error.message).to.contain("nothing for 30 s");
  });

  it("should wait for a side that works for long and says that it lives", async () => {
    const [source, target] = await pair();
    const received = target.expect("Accepted");
    for (let step = 0; step < 12; step++) {
      await clock.advance(defaultLimits.idleMilliseconds / 4);
      await new Promise((resolve) => setTimeout(resolve, 10)); // real bytes on a real connection
    }
    await source.send({ type: "Accepted" });
    expect(await received).to.deep.equal({ type: "Accepted" });
  });

  it("should tell the other side why it failed", async () => {
    const [source, target] = await pair();
    const told = rejection(source.receive());
    await target.fail(refusal("LoadFailed", "another CPU model"));
    expect(await told).to.include({ reason: "LoadFailed", message: "the other side: another CPU model" });
  });

  it("should fail on both sides when the connection breaks", async () => {
    const [source, target] = await pair();
    const sending = rejection(sendState(source, [part("memory", Buffer.alloc(2 ** 26, "x"))], never, () => {}));
    target.destroy(new Error("cable cut"));
    expect(await sending).to.include({ reason: "CopyFailed" });
    expect(await rejection(target.receive())).to.include({ reason: "CopyFailed" });
  });
});

class MemorySinks {
  readonly contents = new Map<StatePartName, Buffer>();
  readonly #gate: Promise<void>;

  constructor(gate: Promise<void> = Promise.resolve()) {
    this.#gate = gate;
  }

  readonly open = async ({ name, sizeBytes }: { name: StatePartName; sizeBytes: number }): Promise<StateSink> => {
    const content = Buffer.alloc(sizeBytes);
    const write = async (offset: number, data: Buffer) => {
      await this.#gate;
      data.copy(content, offset);
    };
    const finish = async () => {
      this.contents.set(name, content);
    };
    return { name, write, finish, close: async () => {} };
  };
}

function part(name: StatePartName, content: Buffer): StatePart {
  const read = async (offset: number, buffer: Buffer) => {
    content.copy(buffer, 0, offset);
  };
  const extents = [{ offset: 0, lengthBytes: content.length }];
  return { name, sizeBytes: content.length, extents, read, close: async () => {} };
}

function closedSoon(socket: import("node:net").Socket): Promise<void> {
  socket.on("error", () => {}); // a reset is as good as an end
  socket.resume();
  return new Promise((resolve) => socket.once("close", () => resolve()));
}
