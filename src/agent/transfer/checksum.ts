import xxhash from "@node-rs/xxhash";

/** XXH3 of 64 bits. It finds accidents; TLS keeps out what is no accident. */
export function blockHash(data: Buffer): bigint {
  return xxhash.xxh3.xxh64(data);
}

/** Over the place, length and hash of every block of a part, so that none can be missing, moved or doubled. */
export class PartDigest {
  readonly #hasher = xxhash.xxh3.Xxh3.withSeed(0n);
  readonly #entry = Buffer.alloc(24);

  add(offset: number, lengthBytes: number, hash: bigint): void {
    this.#entry.writeBigUInt64BE(BigInt(offset), 0);
    this.#entry.writeBigUInt64BE(BigInt(lengthBytes), 8);
    this.#entry.writeBigUInt64BE(hash, 16);
    this.#hasher.update(this.#entry);
  }

  /** Sixteen hexadecimal digits. */
  finish(): string {
    return this.#hasher.digest().toString(16).padStart(16, "0");
  }
}
