import "reflect-metadata"; // @peculiar/x509 needs it loaded first
import { createHash, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMilliseconds = 86_400_000;

/** One side's identity in one migration. The key never leaves the process. */
export interface TransferCertificate {
  certificatePem: string;
  privateKeyPem: string;
  /** SHA-256 of the certificate in hex. The other side trusts this and nothing else. */
  fingerprint: string;
}

/** Makes a self-signed certificate with a key of its own. */
export async function makeCertificate(now: Date): Promise<TransferCertificate> {
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=vacate-migration",
    keys,
    notBefore: new Date(now.getTime() - dayMilliseconds),
    notAfter: new Date(now.getTime() + dayMilliseconds),
    signingAlgorithm: algorithm,
  });
  const privateKey = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    certificatePem: certificate.toString("pem"),
    privateKeyPem: x509.PemConverter.encode(privateKey, "PRIVATE KEY"),
    fingerprint: fingerprintOf(Buffer.from(certificate.rawData)),
  };
}

/** @param der the certificate as it travels */
export function fingerprintOf(der: Buffer): string {
  return createHash("sha256").update(der).digest("hex");
}
