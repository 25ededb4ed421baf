import { expect } from "chai";
import { expireEvents } from "../../../../src/apiserver/collectors/event-expiry.ts";
import { silentLogger } from "../../../../src/apiserver/logger.ts";
import { type ApiFixture, openApiFixture } from "../../../support/api-fixture.ts";

describe("expireEvents", () => {
  let api: ApiFixture;
  let stop: AbortController;
  let ended: Promise<void>;
  beforeEach(async () => {
    api = await openApiFixture();
    stop = new AbortController();
    const events = api.registry.get("v1", "events");
    ended = expireEvents(events, { ...api, logger: silentLogger }, stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await ended;
    await api.close();
  });

  it("should delete events an hour after they happened last", async () => {
    const events = api.registry.get("v1", "events");
    const create = (name: string, lastTimestamp: string) => {
      const involvedObject = { kind: "Thing", namespace: "lab", name: "a" };
      const manifest = { apiVersion: "v1", kind: "Event", metadata: { name }, involvedObject, lastTimestamp };
      return api.writer.create(events, "lab", manifest, { dryRun: false, fieldValidation: "Strict" });
    };
    await create("early", "2030-01-01T00:00:00Z");
    await create("repeated", "2030-01-01T00:30:00Z");
    const names = async () => {
      const { items } = await api.reader.list(events, "lab", new URLSearchParams());
      return items.map(({ metadata }) => metadata.name);
    };
    await api.clock.advance(60 * 60_000);
    expect(await names()).to.deep.equal(["early", "repeated"]);
    await api.clock.advance(60_000);
    expect(await names()).to.deep.equal(["repeated"]);
    await api.clock.advance(30 * 60_000);
    expect(await names()).to.deep.equal([]);
  });
});
