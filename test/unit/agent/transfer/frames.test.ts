import { expect } from "chai";
import fc from "fast-check";
import {
  encodeFrame,
  type Frame,
  FrameError,
  FrameParser,
  longestBlockBytes,
} from "../../../../src/agent/transfer/frames.ts";

const text = fc.string({ maxLength: 200 });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    type: fc.constant("Hello" as const),
    version: count,
    migrationId: text,
    uid: text,
    epoch: count,
    token: text,
  }),
  fc.constant<Frame>({ type: "Accepted" }),
  fc.record({
    type: fc.constant("PartBegin" as const),
    name: fc.constantFrom("memory" as const, "disk" as const, "device" as const),
    sizeBytes: count,
  }),
  fc.record({
    type: fc.constant("Block" as const),
    offset: count,
    hash: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    data: fc.uint8Array({ minLength: 1, maxLength: 5000 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    type: fc.constant("PartEnd" as const),
    dataBytes: count,
    digest: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => value.toString(16).padStart(16, "0")),
  }),
  fc.record({ type: fc.constant("Loaded" as const), migrationId: text, epoch: count }),
  fc.record({ type: fc.constant("Failed" as const), reason: text, message: text }),
  fc.constant<Frame>({ type: "Alive" }),
);

describe("the frames of a data connection", () => {
  it("should come out as they went in, however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 8 }), fc.integer({ min: 1, max: 3000 }), (sent, step) => {
        const bytes = Buffer.concat(sent.flatMap(encodeFrame));
        const parser = new FrameParser();
        const received: Frame[] = [];
        for (let at = 0; at < bytes.length; at += step) received.push(...parser.push(bytes.subarray(at, at + step)));
        expect(received).to.deep.equal(sent);
      }),
    );
  });

  it("should either wait for more or refuse, whatever bytes come", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 6 }), (chunks) => {
        const parser = new FrameParser();
        try {
          for (const chunk of chunks) parser.push(Buffer.from(chunk));
        } catch (error) {
          expect(error).to.be.instanceOf(FrameError);
        }
      }),
    );
  });

  it("should refuse, or read as something valid, a frame of which one byte was changed", () => {
    fc.assert(
      fc.property(frames, fc.nat(), fc.integer({ min: 1, max: 255 }), (frame, place, change) => {
        const bytes = Buffer.concat(encodeFrame(frame));
        const at = place % bytes.length;
        bytes.writeUInt8(bytes.readUInt8(at) ^ change, at);
        try {
          for (const read of new FrameParser().push(bytes)) encodeFrame(read);
        } catch (error) {
          expect(error).to.be.instanceOf(FrameError);
        }
      }),
    );
  });

  for (const [name, code, longest] of [
    ["Block", 4, longestBlockBytes + 16],
    ["Hello", 1, 16 * 1024],
  ] as const) {
    it(`should refuse a ${name} frame that is too long as soon as its length is known`, () => {
      const header = Buffer.alloc(5);
      header.writeUInt8(code, 0);
      header.writeUInt32BE(longest + 1, 1);
      expect(() => new FrameParser().push(header)).to.throw(FrameError, String(longest));
    });
  }

  it("should refuse a part of any other name and fields that are not known", () => {
    const foreign = { type: "PartBegin", name: "../../etc/passwd", sizeBytes: 1 } as unknown as Frame;
    expect(() => new FrameParser().push(Buffer.concat(encodeFrame(foreign)))).to.throw(FrameError, "PartBegin");
    const extra = { type: "Accepted", more: 1 } as unknown as Frame;
    expect(() => new FrameParser().push(Buffer.concat(encodeFrame(extra)))).to.throw(FrameError, "Accepted");
  });
});
