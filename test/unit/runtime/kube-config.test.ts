import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import "reflect-metadata";
import type { TLSSocket } from "node:tls";
import * as x509 from "@peculiar/x509";
import { namespaces } from "../../../src/api/resources.ts";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { HttpClient } from "../../../src/runtime/http-client.ts";
import { loadConnection } from "../../../src/runtime/kube-config.ts";
import { InstantClock } from "../../support/instant-clock.ts";
import { rejection } from "../../support/rejection.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const base64 = (text: string) => Buffer.from(text).toString("base64");

interface Identity {
  certificate: string;
  key: string;
}

/** A certificate of its own, good as CA, server and client. */
async function selfSigned(name: string): Promise<Identity> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }]),
    ],
  });
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return {
    certificate: certificate.toString("pem"),
    key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----`,
  };
}

describe("loadConnection", function () {
  this.timeout(30_000);
  let folder: string;
  let server: Server;
  let serverIdentity: Identity;
  let clientIdentity: Identity;
  let seen: { client: string | undefined; authorization: string | undefined }[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "vacate-kubeconfig-"));
    [serverIdentity, clientIdentity] = await Promise.all([selfSigned("server"), selfSigned("operator")]);
    const tls = { cert: serverIdentity.certificate, key: serverIdentity.key, ca: clientIdentity.certificate };
    server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (request, response) => {
      const subject = (request.socket as TLSSocket).getPeerCertificate().subject;
      seen.push({ client: subject?.CN as string | undefined, authorization: request.headers.authorization });
      response.end('{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"lab"}}');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  beforeEach(() => {
    seen = [];
  });

  after(async () => {
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  async function write(cluster: object, user: object): Promise<string> {
    const path = join(folder, "config");
    const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "here", cluster: { server: address, ...cluster } }],
      users: [{ name: "me", user }],
      contexts: [{ name: "here", context: { cluster: "here", user: "me" } }],
      "current-context": "here",
    };
    await writeFile(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }

  async function ask(path: string): Promise<void> {
    const connection = await loadConnection({ path });
    const client = new HttpClient({ connection, clock: new InstantClock(), metrics: createMetrics() });
    try {
      await client.get(namespaces, { name: "lab" });
    } finally {
      await client.close();
    }
  }

  const trusted = () => ({ "certificate-authority-data": base64(serverIdentity.certificate) });

  it("should show the client certificate of the kubeconfig to the server its CA vouches for", async () => {
    const user = {
      "client-certificate-data": base64(clientIdentity.certificate),
      "client-key-data": base64(clientIdentity.key),
    };
    await ask(await write(trusted(), user));
    expect(seen).to.deep.equal([{ client: "operator", authorization: undefined }]);
  });

  it("should send the bearer token", async () => {
    await ask(await write(trusted(), { token: "token-of-test" }));
    expect(seen[0]?.authorization).to.equal("Bearer token-of-test");
  });

  it("should refuse a server whose certificate the CA does not vouch for, and send it nothing", async () => {
    const other = await selfSigned("other");
    const path = await write({ "certificate-authority-data": base64(other.certificate) }, { token: "token-of-test" });
    const error = await rejection(ask(path));
    expect(error.message).to.match(/certificate/);
    expect(error.message).not.to.include("token-of-test");
    expect(seen).to.deep.equal([]);
  });

  it("should name the contexts there are when the wanted one is missing", async () => {
    const path = await write(trusted(), { token: "token-of-test" });
    const error = await rejection(loadConnection({ path, context: "elsewhere" }));
    expect(error.message).to.include('"elsewhere"').and.to.include("here");
  });

  it("should refuse plain HTTP unless verification is switched off", async () => {
    const path = await write({ server: "http://127.0.0.1:1" }, { token: "token-of-test" });
    expect((await rejection(loadConnection({ path }))).message).to.include("HTTP protocol is not allowed");
  });
});
