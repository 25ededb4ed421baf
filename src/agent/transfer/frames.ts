import { Ajv, type ValidateFunction } from "ajv";
import { type StatePartName, statePartNames } from "../drivers/driver.ts";

/** Version of this framing. Both sides must speak the same. */
export const transferVersion = 1;

/** Blocks start at multiples of this many bytes. */
export const blockAlignmentBytes = 64 * 1024;
/** Most data bytes in one block. */
export const longestBlockBytes = 1024 * 1024;
const longestMessageBytes = 16 * 1024;
const headerBytes = 5;
const blockHeadBytes = 16;

/** What is said on a data connection. `Block` carries bytes, everything else is a small message. */
export type Frame =
  | { type: "Hello"; version: number; migrationId: string; uid: string; epoch: number; token: string }
  | { type: "Accepted" }
  | { type: "PartBegin"; name: StatePartName; sizeBytes: number }
  | { type: "Block"; offset: number; hash: bigint; data: Buffer }
  | { type: "PartEnd"; dataBytes: number; digest: string }
  | { type: "StateEnd"; parts: number; dataBytes: number }
  | { type: "Loaded"; migrationId: string; epoch: number }
  | { type: "HandedOver"; migrationId: string; epoch: number }
  | { type: "Running"; migrationId: string; epoch: number }
  | { type: "Failed"; reason: string; message: string }
  /** Neither side is silent for long while it lives. */
  | { type: "Alive" };

type Message = Exclude<Frame, { type: "Block" }>;

/** The other side does not speak this protocol. Nothing it says is believed any more. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const codes = {
  Hello: 1,
  Accepted: 2,
  PartBegin: 3,
  Block: 4,
  PartEnd: 5,
  StateEnd: 6,
  Loaded: 7,
  HandedOver: 8,
  Running: 9,
  Failed: 10,
  Alive: 11,
} as const satisfies Record<Frame["type"], number>;

const names = new Map<number, Frame["type"]>();
for (const [name, code] of Object.entries(codes)) names.set(code, name as Frame["type"]);

const ajv = new Ajv();
const text = { type: "string", maxLength: 4096 };
const count = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const vote = { migrationId: text, epoch: count };
const validators: Record<Message["type"], ValidateFunction> = {
  Hello: closed({ version: count, migrationId: text, uid: text, epoch: count, token: text }),
  Accepted: closed({}),
  PartBegin: closed({ name: { enum: [...statePartNames] }, sizeBytes: count }),
  PartEnd: closed({ dataBytes: count, digest: { type: "string", pattern: "^[0-9a-f]{16}$" } }),
  StateEnd: closed({ parts: count, dataBytes: count }),
  Loaded: closed(vote),
  HandedOver: closed(vote),
  Running: closed(vote),
  Failed: closed({ reason: text, message: text }),
  Alive: closed({}),
};

/** The frame's bytes in one or two pieces; a block's data is not copied. */
export function encodeFrame(frame: Frame): Buffer[] {
  if (frame.type === "Block") {
    const head = Buffer.allocUnsafe(headerBytes + blockHeadBytes);
    writeHeader(head, codes.Block, blockHeadBytes + frame.data.length);
    head.writeBigUInt64BE(BigInt(frame.offset), headerBytes);
    head.writeBigUInt64BE(frame.hash, headerBytes + 8);
    return [head, frame.data];
  }
  const { type, ...fields } = frame;
  const payload = Buffer.from(JSON.stringify(fields));
  const header = Buffer.allocUnsafe(headerBytes);
  writeHeader(header, codes[type], payload.length);
  return [Buffer.concat([header, payload])];
}

/**
 * Cuts a stream of bytes into frames. Holds at most one unfinished frame, whose length is checked against its type's limit
 * before a byte of it is kept.
 */
export class FrameParser {
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #type: Frame["type"] = "Alive";
  #payload: Buffer | undefined;
  #payloadFilled = 0;

  /**
   * Takes the next bytes and returns the frames that they completed. Their data is not part of the given chunk.
   * @throws {FrameError}
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    for (let rest = chunk; rest.length > 0 || this.#isComplete(); ) {
      if (this.#payload === undefined) rest = this.#takeHeader(rest);
      else rest = this.#takePayload(this.#payload, rest);
      if (this.#payload !== undefined && this.#isComplete()) frames.push(this.#finish(this.#payload));
    }
    return frames;
  }

  #isComplete(): boolean {
    return this.#payload !== undefined && this.#payloadFilled === this.#payload.length;
  }

  #takeHeader(bytes: Buffer): Buffer {
    const taken = bytes.copy(this.#header, this.#headerFilled);
    this.#headerFilled += taken;
    if (this.#headerFilled < headerBytes) return bytes.subarray(taken);
    const type = names.get(this.#header.readUInt8(0));
    if (type === undefined) throw new FrameError(`frame of unknown type ${this.#header.readUInt8(0)}`);
    const length = this.#header.readUInt32BE(1);
    const longest = type === "Block" ? blockHeadBytes + longestBlockBytes : longestMessageBytes;
    if (length > longest) throw new FrameError(`${type} frame of ${length} bytes; at most ${longest} are allowed`);
    this.#type = type;
    this.#payload = Buffer.allocUnsafeSlow(length);
    this.#payloadFilled = 0;
    return bytes.subarray(taken);
  }

  #takePayload(payload: Buffer, bytes: Buffer): Buffer {
    const taken = bytes.copy(payload, this.#payloadFilled);
    this.#payloadFilled += taken;
    return bytes.subarray(taken);
  }

  #finish(payload: Buffer): Frame {
    this.#payload = undefined;
    this.#headerFilled = 0;
    return this.#type === "Block" ? decodeBlock(payload) : decodeMessage(this.#type, payload);
  }
}

function decodeBlock(payload: Buffer): Frame {
  if (payload.length <= blockHeadBytes) throw new FrameError(`Block frame of ${payload.length} bytes carries no data`);
  const offset = payload.readBigUInt64BE(0);
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new FrameError(`Block at offset ${offset} is out of range`);
  const hash = payload.readBigUInt64BE(8);
  return { type: "Block", offset: Number(offset), hash, data: payload.subarray(blockHeadBytes) };
}

function decodeMessage(type: Message["type"], payload: Buffer): Frame {
  let fields: unknown;
  try {
    fields = JSON.parse(payload.toString());
  } catch {
    throw new FrameError(`${type} frame is not JSON`);
  }
  const validate = validators[type];
  if (!validate(fields)) throw new FrameError(`${type} frame: ${ajv.errorsText(validate.errors)}`);
  return { type, ...(fields as object) } as Frame;
}

function writeHeader(header: Buffer, code: number, length: number): void {
  header.writeUInt8(code, 0);
  header.writeUInt32BE(length, 1);
}

function closed(properties: Record<string, object>): ValidateFunction {
  return ajv.compile({
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  });
}
