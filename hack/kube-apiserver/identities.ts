import "reflect-metadata";
import { generateKeyPairSync, randomBytes, webcrypto } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

export interface Identities {
  /** PEM of the authority that signed the server's certificate. */
  authority: string;
  /** Bearer token of a user who may do everything. */
  adminToken: string;
  /** Bearer token of a user who may do nothing. */
  nobodyToken: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const lifetimeMilliseconds = 30 * 24 * 3600 * 1000;

/** Makes the keys, certificates and tokens that a test cluster needs, in `folder`/identities. */
export async function makeIdentities(folder: string): Promise<Identities> {
  const path = (name: string) => join(folder, "identities", name);
  mkdirSync(path("."), { mode: 0o700 });
  const write = (name: string, text: string) => writeFileSync(path(name), text, { mode: 0o600 });

  const validity = {
    notBefore: new Date(Date.now() - 3600_000),
    notAfter: new Date(Date.now() + lifetimeMilliseconds),
  };
  const authorityKeys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const authority = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: "CN=vacate-test",
    keys: authorityKeys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  const serverKeys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const server = await X509CertificateGenerator.create({
    ...validity,
    subject: "CN=kube-apiserver",
    issuer: authority.subject,
    publicKey: serverKeys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new SubjectAlternativeNameExtension([
        { type: "ip", value: "127.0.0.1" },
        { type: "dns", value: "localhost" },
      ]),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    ],
  });
  write("authority.crt", authority.toString("pem"));
  write("server.crt", server.toString("pem"));
  write("server.key", await privateKeyPem(serverKeys.privateKey));

  const serviceAccounts = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  write("service-accounts.key", serviceAccounts.privateKey);
  write("service-accounts.pub", serviceAccounts.publicKey);

  const adminToken = randomBytes(24).toString("hex");
  const nobodyToken = randomBytes(24).toString("hex");
  write("tokens.csv", `${adminToken},admin,admin,"system:masters"\n${nobodyToken},nobody,nobody\n`);
  return { authority: authority.toString("pem"), adminToken, nobodyToken };
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}
