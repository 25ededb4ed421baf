import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { expect } from "chai";
import { type ApiServer, startApiServer } from "../../src/apiserver/server.ts";
import { thingDefinition, thingManifest } from "../support/api-fixture.ts";
import { ApiHttp } from "../support/api-http.ts";
import { rejection } from "../support/rejection.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const things = "/apis/example.dev/v1/namespaces/default/things";

describe("HTTP of the embedded API server", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let server: ApiServer;
  let api: ApiHttp;

  beforeEach(async () => {
    directory = temporaryDirectory();
    server = await startApiServer({
      dataDirectory: directory.path,
      port: 0,
      definitions: [thingDefinition],
      historyLength: 20,
    });
    api = new ApiHttp(server.kubeconfigPath);
  });
  afterEach(async () => {
    api.close();
    await server.stop();
    directory.remove();
  });

  const create = (name: string, labels = {}) =>
    api.send(things, { method: "POST", body: thingManifest({ name, labels }) });

  describe("identity", () => {
    it("should answer 401 with a Status to those without one", async () => {
      for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "Basic YTpi" }]) {
        const answer = await api.send(things, { anonymous: true, headers });
        expect(answer.code).to.equal(401);
        expect(answer.body).to.deep.include({ kind: "Status", status: "Failure", reason: "Unauthorized", code: 401 });
      }
    });

    it("should tell everybody that it is alive, and nothing else", async () => {
      for (const path of ["/healthz", "/livez", "/readyz", "/version"]) {
        expect((await api.send(path, { anonymous: true })).code, path).to.equal(200);
      }
      for (const path of ["/", "/api", "/apis", "/openapi/v3", "/metrics", "/healthz/../api"]) {
        expect((await api.send(path, { anonymous: true })).code, path).to.equal(401);
      }
    });

    it("should keep its secrets to the owner", () => {
      for (const file of ["kubeconfig", "token", "authority.pem", "objects.db"]) {
        expect(statSync(`${directory.path}/${file}`).mode & 0o777, file).to.equal(0o600);
      }
    });

    it("should keep token and authority over a restart", async () => {
      const before = readFileSync(server.kubeconfigPath, "utf8");
      await server.stop();
      server = await startApiServer({ dataDirectory: directory.path, port: 0, definitions: [thingDefinition] });
      const withoutServer = (kubeconfig: string) => kubeconfig.replace(/server: .*/, "");
      expect(withoutServer(readFileSync(server.kubeconfigPath, "utf8"))).to.equal(withoutServer(before));
    });
  });

  describe("requests it refuses", () => {
    const cases: [string, string, Parameters<ApiHttp["send"]>[1], number, string][] = [
      ["an unknown resource", "/apis/example.dev/v1/nothings", {}, 404, "NotFound"],
      ["an unknown path", "/nothing", {}, 404, "NotFound"],
      ["an unknown subresource", `${things}/a/scale`, {}, 404, "NotFound"],
      ["a namespaced object without its namespace", "/apis/example.dev/v1/things/a", {}, 404, "NotFound"],
      ["an address that is none", "//:x", {}, 400, "BadRequest"],
      ["broken JSON", things, { method: "POST", body: "{" }, 400, "BadRequest"],
      ["JSON that is no object", things, { method: "POST", body: "[1]" }, 400, "BadRequest"],
      ["no body", things, { method: "POST", body: "" }, 400, "BadRequest"],
      [
        "a body above 3 MiB",
        things,
        { method: "POST", body: "x".repeat(3 * 1024 * 1024 + 1) },
        413,
        "RequestEntityTooLarge",
      ],
      ["an unknown method", things, { method: "OPTIONS" }, 405, "MethodNotAllowed"],
      ["an unknown answer type", things, { headers: { accept: "text/csv" } }, 406, "NotAcceptable"],
      ["a watch list", `${things}?watch=true&sendInitialEvents=true`, {}, 422, "Invalid"],
      [
        "an unknown dry run",
        `${things}?dryRun=Some`,
        { method: "POST", body: thingManifest({ name: "a" }) },
        422,
        "Invalid",
      ],
    ];
    for (const [title, path, request, code, reason] of cases) {
      it(`should answer ${code} to ${title}`, async () => {
        const answer = await api.send(path, request);
        expect(answer.code, answer.text).to.equal(code);
        expect(answer.body).to.deep.include({ kind: "Status", apiVersion: "v1", reason, code });
      });
    }

    it("should name the workaround for protobuf bodies", async () => {
      const headers = { "content-type": "application/vnd.kubernetes.protobuf" };
      const body = Buffer.from("k8s\0");
      const answer = await api.send("/api/v1/namespaces", { method: "POST", headers, body });
      expect(answer.code).to.equal(415);
      expect(answer.body.message).to.contain("kubectl apply -f");
    });

    it("should say that server-side apply and strategic merge do not work on custom resources", async () => {
      await create("a");
      for (const [type, message] of [
        ["application/apply-patch+yaml", "server-side apply is not supported"],
        ["application/strategic-merge-patch+json", "accepted media types include"],
      ] as const) {
        const answer = await api.send(`${things}/a`, {
          method: "PATCH",
          headers: { "content-type": type },
          body: "{}",
        });
        expect(answer.code).to.equal(415);
        expect(answer.body.message).to.contain(message);
      }
    });

    it("should say that definitions are read-only", async () => {
      const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
      const answer = await api.send(path, { method: "POST", body: thingDefinition });
      expect(answer.code).to.equal(405);
      expect(answer.body.message).to.contain("read-only");
      expect((await api.send(path)).body.items[0].status.acceptedNames.kind).to.equal("Thing");
    });
  });

  it("should take YAML", async () => {
    const body = "apiVersion: example.dev/v1\nkind: Thing\nmetadata: {name: y}\nspec: {size: 3}\n";
    const answer = await api.send(things, { method: "POST", headers: { "content-type": "application/yaml" }, body });
    expect(answer.code, answer.text).to.equal(201);
    expect(answer.body.spec.size).to.equal(3);
  });

  it("should warn of unknown fields in a header", async () => {
    const answer = await api.send(things, {
      method: "POST",
      body: thingManifest({ name: "a" }, { size: 1, 'siz"e': 2 }),
    });
    expect(answer.code).to.equal(201);
    expect(answer.headers.warning).to.match(/^299 - "unknown field /);
  });

  it("should delete a selection", async () => {
    await Promise.all([create("a", { x: "1" }), create("b", { x: "2" }), create("c", { x: "1" })]);
    const answer = await api.send(`${things}?labelSelector=x%3D1`, { method: "DELETE" });
    expect(answer.code).to.equal(200);
    expect(answer.body.items).to.have.length(2);
    expect(
      (await api.send(things)).body.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ).to.deep.equal(["b"]);
  });

  describe("answers in other forms", () => {
    const table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

    it("should lay a list and one object out as a Table", async () => {
      await create("a");
      for (const path of [things, `${things}/a`]) {
        const { body } = await api.send(path, { headers: { accept: table } });
        expect(body.kind).to.equal("Table");
        expect(body.metadata.resourceVersion).to.match(/^\d+$/);
        expect(body.rows[0].cells).to.deep.equal(["a", 1]);
        expect(body.rows[0].object.kind).to.equal("PartialObjectMetadata");
      }
    });

    it("should answer metadata alone", async () => {
      await create("a");
      const accept = (as: string) => ({ accept: `application/json;as=${as};v=v1;g=meta.k8s.io` });
      const list = await api.send(things, { headers: accept("PartialObjectMetadataList") });
      expect(list.body).to.deep.include({ kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1" });
      expect(list.body.items[0]).to.have.all.keys("kind", "apiVersion", "metadata");
      const one = await api.send(`${things}/a`, { headers: accept("PartialObjectMetadata") });
      expect(one.body.kind).to.equal("PartialObjectMetadata");
      expect((await api.send(things, { headers: accept("PartialObjectMetadata") })).code).to.equal(406);
    });

    it("should describe the columns once in a watch of Tables", async () => {
      await Promise.all([create("a"), create("b")]);
      const columns = [];
      for await (const event of api.watch(`${things}?watch=true`, { accept: table })) {
        columns.push(event.object.columnDefinitions?.length);
        if (columns.length === 2) break;
      }
      expect(columns).to.deep.equal([2, undefined]);
    });
  });

  describe("watches", () => {
    it("should send what happens as it happens", async () => {
      const { body } = await api.send(things);
      const watch = api.watch(`${things}?watch=true&resourceVersion=${body.metadata.resourceVersion}`);
      const first = watch.next();
      await create("a");
      expect((await first).value).to.deep.include({ type: "ADDED" });
      const second = watch.next();
      await api.send(`${things}/a`, { method: "DELETE" });
      expect((await second).value).to.deep.include({ type: "DELETED" });
      await watch.return(undefined);
    });

    it("should send 410 as an event for what is compacted, and answer it for old pages", async () => {
      const first = await create("a");
      await create("b");
      const page = await api.send(`${things}?limit=1`);
      for (let count = 0; count < 40; count++) await create(`x${count}`);
      const since = first.body.metadata.resourceVersion;
      const events = [];
      for await (const event of api.watch(`${things}?watch=true&resourceVersion=${since}`)) events.push(event);
      expect(events).to.have.length(1);
      expect(events[0]).to.deep.include({ type: "ERROR" });
      expect(events[0]?.object).to.deep.include({ kind: "Status", code: 410, reason: "Expired" });
      const next = await api.send(`${things}?limit=1&continue=${page.body.metadata.continue}`);
      expect(next.code).to.equal(410);
      expect(next.body.reason).to.equal("Expired");
    });

    it("should end after timeoutSeconds with a bookmark", async () => {
      const events = [];
      for await (const event of api.watch(`${things}?watch=true&allowWatchBookmarks=true&timeoutSeconds=1`))
        events.push(event);
      expect(events).to.have.length(1);
      expect(events[0]).to.deep.include({ type: "BOOKMARK" });
      expect(events[0]?.object).to.deep.include({ kind: "Thing", apiVersion: "example.dev/v1" });
    });

    it("should end when the server stops, and let it stop", async () => {
      const watch = api.watch(`${things}?watch=true`);
      await create("a");
      await watch.next();
      await server.stop();
      expect((await watch.next()).done).to.equal(true);
      expect(await rejection(api.send(things))).to.have.property("code", "ECONNREFUSED");
    });
  });

  it("should stop when its signal is aborted", async () => {
    const other = temporaryDirectory();
    const controller = new AbortController();
    const stopping = await startApiServer({
      dataDirectory: other.path,
      port: 0,
      definitions: [],
      signal: controller.signal,
    });
    controller.abort();
    await stopping.stop();
    await (await startApiServer({ dataDirectory: other.path, port: 0, definitions: [] })).stop();
    other.remove();
  });

  it("should say that a port is taken, and give the data directory free", async () => {
    const blocker = createServer().listen(0, "127.0.0.1");
    await once(blocker, "listening");
    const { port } = blocker.address() as { port: number };
    const other = temporaryDirectory();
    const error = await rejection(startApiServer({ dataDirectory: other.path, port, definitions: [] }));
    expect(error).to.include({ reason: "PortInUse" });
    expect(error.message).to.equal(`cannot listen on 127.0.0.1:${port}: the port is already taken`);
    blocker.close();
    await (await startApiServer({ dataDirectory: other.path, port, definitions: [] })).stop();
    other.remove();
  });

  describe("reviews", () => {
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    const review = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview" };

    it("should answer in JSON", async () => {
      const spec = { resourceAttributes: { verb: "get", resource: "things" } };
      const { code, body } = await api.send(path, { method: "POST", body: { ...review, spec } });
      expect(code).to.equal(201);
      expect(body).to.deep.include({ ...review, spec });
      expect(body.status.allowed).to.equal(true);
    });

    it("should understand protobuf", async () => {
      const field = (number: number, content: Buffer | string) =>
        Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), Buffer.from(content)]);
      const type = field(1, Buffer.concat([field(1, review.apiVersion), field(2, review.kind)]));
      const attributes = Buffer.concat([field(1, "lab"), field(2, "get"), field(5, "things")]);
      const raw = field(2, Buffer.concat([field(1, ""), field(2, field(1, attributes))]));
      const body = Buffer.concat([Buffer.from("k8s\0"), type, raw]);
      const headers = { "content-type": "application/vnd.kubernetes.protobuf" };
      const answer = await api.send(path, { method: "POST", headers, body });
      expect(answer.code, answer.text).to.equal(201);
      const resourceAttributes = { namespace: "lab", verb: "get", resource: "things" };
      expect(answer.body.spec).to.deep.equal({ resourceAttributes });
      const broken = await api.send(path, { method: "POST", headers, body: body.subarray(0, -3) });
      expect(broken.code).to.equal(400);
    });
  });
});
