/** A protobuf message by field number. Only strings and messages are kept; that is all the reviews have. */
export type Message = Map<number, Buffer>;

const magic = Buffer.from("k8s\0");
const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 };

/**
 * Takes the envelope off that Kubernetes puts around protobuf objects.
 *
 * @throws RangeError when the bytes are not such an envelope
 */
export function openEnvelope(bytes: Buffer): { apiVersion: string; kind: string; object: Message } {
  if (!bytes.subarray(0, magic.length).equals(magic))
    throw new RangeError("the body lacks the prefix of Kubernetes protobuf");
  const envelope = readMessage(bytes.subarray(magic.length));
  const type = readMessage(envelope.get(1));
  return { apiVersion: readString(type, 1), kind: readString(type, 2), object: readMessage(envelope.get(2)) };
}

/** @throws RangeError when the bytes end within a field or use a wire type that proto3 does not have */
export function readMessage(bytes: Buffer = Buffer.alloc(0)): Message {
  const fields: Message = new Map();
  let offset = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = bytes.readUInt8(offset++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    // Sign-extended negative numbers take ten bytes; nothing read here is a number.
    while (bytes.readUInt8(offset++) >= 0x80);
    return value;
  };
  while (offset < bytes.length) {
    const tag = varint();
    const wireType = tag & 7;
    if (wireType === wireTypes.varint) {
      varint();
      continue;
    }
    const length =
      wireType === wireTypes.fixed64
        ? 8
        : wireType === wireTypes.fixed32
          ? 4
          : wireType === wireTypes.lengthDelimited
            ? varint()
            : -1;
    if (length < 0 || offset + length > bytes.length) throw new RangeError("the protobuf message is damaged");
    if (wireType === wireTypes.lengthDelimited)
      fields.set(Math.floor(tag / 8), bytes.subarray(offset, offset + length));
    offset += length;
  }
  return fields;
}

/** Empty when the field is absent, as in proto3. */
export function readString(message: Message, field: number): string {
  return message.get(field)?.toString("utf8") ?? "";
}
