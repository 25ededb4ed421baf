import type { ServerResponse } from "node:http";
import { expect } from "chai";
import type { Representation } from "../../../../src/apiserver/http/accept.ts";
import { WatchStream } from "../../../../src/apiserver/http/watch-stream.ts";
import type { ServedResource } from "../../../../src/apiserver/registry/registry.ts";
import { kubernetesObject } from "../../../support/kubernetes-object.ts";
import { resourceDefinition } from "../../../support/resource-definitions.ts";

/** A response whose client reads nothing. */
class UnreadResponse {
  destroyed = false;
  writableLength = 0;
  lines: { type: string; object: Record<string, unknown> }[] = [];

  write(line: string): void {
    this.writableLength += line.length;
    this.lines.push(JSON.parse(line));
  }
  destroy(): void {
    this.destroyed = true;
  }
}

describe("WatchStream", () => {
  function open(representation: Representation) {
    const response = new UnreadResponse();
    const resource = { definition: resourceDefinition() } as ServedResource;
    const now = new Date("2030-01-01T00:00:00Z");
    const view = { representation, includeObject: "Metadata" as const, now };
    return { response, stream: new WatchStream(response as unknown as ServerResponse, resource, view, () => now) };
  }

  it("should cut a consumer that does not read, and buffer no more for it", () => {
    const { response, stream } = open("Object");
    const object = kubernetesObject({ name: "a" }, { spec: "x".repeat(1024 * 1024) });
    for (let count = 0; count < 16; count++) stream.event({ type: "ADDED", object });
    expect(response.destroyed).to.equal(false);
    for (let count = 0; count < 10; count++) stream.event({ type: "ADDED", object });
    expect(response.destroyed).to.equal(true);
    expect(response.lines).to.have.length(16);
  });

  it("should send objects, bookmarks and errors", () => {
    const { response, stream } = open("Object");
    stream.event({ type: "ADDED", object: kubernetesObject({ name: "a" }) });
    stream.bookmark({ apiVersion: "example.dev/v1", kind: "Thing", resourceVersion: "7" });
    expect(response.lines.map(({ type }) => type)).to.deep.equal(["ADDED", "BOOKMARK"]);
    expect(response.lines[1]?.object).to.deep.equal({
      apiVersion: "example.dev/v1",
      kind: "Thing",
      metadata: { resourceVersion: "7", creationTimestamp: null },
    });
  });

  it("should send metadata alone, also in bookmarks", () => {
    const { response, stream } = open("PartialObjectMetadata");
    stream.event({ type: "ADDED", object: kubernetesObject({ name: "a" }, { spec: 1 }) });
    stream.bookmark({ apiVersion: "example.dev/v1", kind: "Thing", resourceVersion: "7" });
    expect(response.lines.map(({ object }) => object.kind)).to.deep.equal([
      "PartialObjectMetadata",
      "PartialObjectMetadata",
    ]);
    expect(response.lines[0]?.object).not.to.have.property("spec");
  });
});
