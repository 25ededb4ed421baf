import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { readIfThere, writePrivately } from "../files.ts";

const tokenPattern = /^[A-Za-z0-9_-]{43}$/;

/** The data directory's bearer token: 256 random bits, made at the first start and the same ever after. */
export function loadToken(dataDirectory: string): string {
  const path = join(dataDirectory, "token");
  const known = readIfThere(path)?.trim();
  if (known !== undefined && tokenPattern.test(known)) return known;
  const token = randomBytes(32).toString("base64url");
  writePrivately(path, `${token}\n`);
  return token;
}

/** Compares in a time that tells nothing about the token, not even its length. */
export function makeTokenCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token);
  return (authorization) => {
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    return given !== undefined && timingSafeEqual(digest(given), expected);
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
