import { expect } from "chai";
import { configMaps } from "../../../src/api/resources.ts";
import { takeOperatorTerm } from "../../../src/controllers/operator-term.ts";
import { ApiError } from "../../../src/runtime/client.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { rejection } from "../../support/rejection.ts";

const key = { namespace: "vacate-system", name: "vacate-operator-term" };

describe("takeOperatorTerm", () => {
  let client: FakeClient;

  beforeEach(() => {
    client = new FakeClient(new FakeClock());
  });

  const take = () => takeOperatorTerm(client, "vacate-system");

  it("should begin with one, and count up with every start", async () => {
    expect([await take(), await take(), await take()]).to.deep.equal([1, 2, 3]);
    expect(client.peek(configMaps, key)?.data).to.deep.equal({ term: "3" });
  });

  it("should never give two operators the same term", async () => {
    const terms = await Promise.all(Array.from({ length: 10 }, take));

    expect(new Set(terms).size).to.equal(10);
  });

  it("should take the next one when another operator was faster", async () => {
    await take();
    client.beforeNext("replace", configMaps, async () => {
      await take();
    });

    expect(await take()).to.equal(3);
  });

  it("should guess nothing when the recorded term is no number", async () => {
    client.seed(configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: key, data: { term: "many" } });

    expect((await rejection(take())).message).to.equal(
      'config map vacate-system/vacate-operator-term, term: is "many"; allowed is a whole number not below any term used before',
    );
  });

  it("should say that the namespace is missing", async () => {
    client.failNext("create", configMaps, new ApiError(404, "NotFound", 'namespaces "vacate-system" not found'));

    expect((await rejection(take())).message).to.match(/^namespace vacate-system does not exist; create it/);
  });
});
