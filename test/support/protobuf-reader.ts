/** A field of a protobuf message as it stands on the wire. */
export interface WireField {
  number: number;
  value: number | Buffer;
}

/** Splits a protobuf message into its fields, knowing nothing of its type. Throws when the bytes are no message. */
export function readMessage(bytes: Buffer): WireField[] {
  const fields: WireField[] = [];
  let position = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[position++];
      if (byte === undefined) throw new Error("the message ends inside of a number");
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (position + length > bytes.length) throw new Error("the message ends inside of a field");
    position += length;
    return bytes.subarray(position - length, position);
  };
  while (position < bytes.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    if (key % 8 === 0) fields.push({ number, value: varint() });
    else if (key % 8 === 1) fields.push({ number, value: take(8).readDoubleLE() });
    else if (key % 8 === 2) fields.push({ number, value: take(varint()) });
    else throw new Error(`wire type ${key % 8} is not expected`);
  }
  return fields;
}

/** The embedded messages at a path of field numbers. */
export function messagesAt(bytes: Buffer, ...path: number[]): Buffer[] {
  return path.reduce<Buffer[]>(
    (messages, number) =>
      messages.flatMap((message) =>
        readMessage(message).flatMap((field) =>
          field.number === number && Buffer.isBuffer(field.value) ? [field.value] : [],
        ),
      ),
    [bytes],
  );
}

export function stringsAt(bytes: Buffer, ...path: number[]): string[] {
  return messagesAt(bytes, ...path).map((value) => value.toString("utf8"));
}
