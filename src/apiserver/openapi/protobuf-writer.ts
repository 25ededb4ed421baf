/** Writes the wire format of protobuf: fields of the types the OpenAPI document needs. Defaults are left out. */
export class ProtobufWriter {
  readonly #chunks: Buffer[] = [];

  string(field: number, value: string | undefined): this {
    if (value) this.#bytes(field, Buffer.from(value, "utf8"));
    return this;
  }

  strings(field: number, values: readonly string[] | undefined): this {
    for (const value of values ?? []) this.#bytes(field, Buffer.from(value, "utf8"));
    return this;
  }

  boolean(field: number, value: boolean | undefined): this {
    return value ? this.integer(field, 1) : this;
  }

  /** A whole number from 0 to 2^53. */
  integer(field: number, value: number | undefined): this {
    if (value) this.#chunks.push(varint(field * 8), varint(value));
    return this;
  }

  double(field: number, value: number | undefined): this {
    if (!value) return this;
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#chunks.push(varint(field * 8 + 1), bytes);
    return this;
  }

  /** An embedded message; it is written even when it is empty, since its presence means something. */
  message(field: number, write: ((writer: ProtobufWriter) => void) | undefined): this {
    if (!write) return this;
    const inner = new ProtobufWriter();
    write(inner);
    this.#bytes(field, inner.finish());
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  #bytes(field: number, bytes: Buffer): void {
    this.#chunks.push(varint(field * 8 + 2), varint(bytes.length), bytes);
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  // Not with bit operators: they know 32 bits only.
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
