// Has to be loaded before @peculiar/x509, which uses it without importing it.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { readIfThere, writePrivately } from "../files.ts";

export interface ServingCertificate {
  /** PEM. */
  certificate: string;
  key: string;
  /** PEM of the authority that clients trust. */
  authority: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const validMilliseconds = 10 * 365 * 24 * 60 * 60 * 1000;
/** An authority closer to its end than this is replaced at the next start. */
const renewBeforeMilliseconds = 365 * 24 * 60 * 60 * 1000;
/** For clients whose clock is a little behind. */
const backdatedMilliseconds = 60 * 60 * 1000;

/**
 * Makes a certificate for loopback, signed by the data directory's own authority, which is made when it is missing.
 * The authority stays the same over restarts, so that clients who trust it go on to.
 *
 * @param now both certificates are valid from an hour before it
 */
export async function makeServingCertificate(dataDirectory: string, now: Date): Promise<ServingCertificate> {
  const authority = (await loadAuthority(dataDirectory, now)) ?? (await makeAuthority(dataDirectory, now));
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: "CN=vacate-standalone",
    issuer: authority.certificate.subject,
    ...validity(now, authority.certificate.notAfter),
    signingKey: authority.key,
    publicKey: keys.publicKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
      ]),
    ],
  });
  return {
    certificate: certificate.toString("pem"),
    key: await exportKey(keys.privateKey),
    authority: authority.certificate.toString("pem"),
  };
}

interface Authority {
  certificate: X509Certificate;
  key: webcrypto.CryptoKey;
}

const authorityFile = (dataDirectory: string) => join(dataDirectory, "authority.pem");

/** Key and certificate stand in one file, so that they are never from two different authorities. */
async function loadAuthority(dataDirectory: string, now: Date): Promise<Authority | undefined> {
  const pem = readIfThere(authorityFile(dataDirectory));
  const [, key = "", certificate = ""] =
    /^(-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----)\s*(.*)$/s.exec(pem ?? "") ?? [];
  if (key === "" || certificate === "") return undefined;
  const parsed = new X509Certificate(certificate);
  if (parsed.notAfter.getTime() - now.getTime() < renewBeforeMilliseconds) return undefined;
  const der = Buffer.from(key.replace(/-----[^-]+-----|\s/g, ""), "base64");
  return { certificate: parsed, key: await webcrypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]) };
}

async function makeAuthority(dataDirectory: string, now: Date): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    // Numbered, so that no two authorities of one name are ever confused.
    name: `CN=vacate-standalone-authority-${serialNumber().slice(0, 8)}`,
    ...validity(now),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  const pem = `${await exportKey(keys.privateKey)}\n${certificate.toString("pem")}\n`;
  writePrivately(authorityFile(dataDirectory), pem);
  return { certificate, key: keys.privateKey };
}

function validity(now: Date, latest?: Date) {
  const notAfter = new Date(now.getTime() + validMilliseconds);
  return {
    notBefore: new Date(now.getTime() - backdatedMilliseconds),
    notAfter: latest && latest < notAfter ? latest : notAfter,
  };
}

function serialNumber(): string {
  const bytes = Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)));
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString("hex");
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----"].join("\n");
}
