import { expect } from "chai";
import { events, vmHosts } from "../../../src/api/resources.ts";
import { ApiError } from "../../../src/runtime/client.ts";
import { EventWriter } from "../../../src/runtime/event-recorder.ts";
import { createLog } from "../../../src/runtime/log.ts";
import { FakeClient } from "../../support/fake-client.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { vm } from "./objects.ts";

describe("EventWriter", () => {
  let clock: FakeClock;
  let client: FakeClient;
  let lines: { msg: string }[];
  let recorder: EventWriter;
  const guest = vm({ uid: "uid-7" });

  beforeEach(() => {
    clock = new FakeClock();
    client = new FakeClient(clock);
    lines = [];
    const log = createLog({ destination: { write: (line) => lines.push(JSON.parse(line)) } });
    recorder = new EventWriter({ client, clock, log });
  });

  it("should write what kubectl describe looks for", async () => {
    recorder.record(guest, "Warning", "HostFull", "host-a has no memory left");
    await recorder.flush();
    const [event] = client.peekAll(events);
    expect(event).to.deep.include({
      type: "Warning",
      reason: "HostFull",
      message: "host-a has no memory left",
      count: 1,
      firstTimestamp: "2030-01-01T00:00:00Z",
      source: { component: "vacate" },
      involvedObject: {
        apiVersion: "vacate.dev/v1alpha1",
        kind: "VirtualMachine",
        namespace: "lab",
        name: "guest-1",
        uid: "uid-7",
      },
    });
    expect(event?.metadata.namespace).to.equal("lab");
    expect(event?.metadata.name).to.match(/^guest-1\.[0-9a-f]{16}$/);
  });

  it("should put events of cluster-scoped objects into the namespace default", async () => {
    const host = {
      apiVersion: "vacate.dev/v1alpha1",
      kind: "VMHost",
      metadata: { name: "h".repeat(253), uid: "uid-1" },
    };
    recorder.record(host, "Normal", "AgentAnswers", "the agent answers");
    await recorder.flush();
    const [event] = client.peekAll(events);
    expect(event?.metadata.namespace).to.equal("default");
    expect(event?.metadata.name.length).to.be.at.most(253);
    expect(event?.involvedObject).not.to.have.property("namespace");
    expect(vmHosts.namespaced).to.equal(false);
  });

  it("should count the same event up within ten minutes, and write another one after", async () => {
    for (let time = 0; time < 3; time++) {
      recorder.record(guest, "Normal", "Moving", "to host-b");
      await recorder.flush();
      await clock.advance(60_000);
    }
    expect(client.peekAll(events).map((event) => [event.count, event.lastTimestamp])).to.deep.equal([
      [3, "2030-01-01T00:02:00Z"],
    ]);
    recorder.record(guest, "Normal", "Moving", "to host-c");
    await clock.advance(600_000);
    recorder.record(guest, "Normal", "Moving", "to host-b");
    await recorder.flush();
    expect(client.peekAll(events).map((event) => event.count)).to.deep.equal([3, 1, 1]);
  });

  it("should write a new event when the server has dropped the earlier one", async () => {
    recorder.record(guest, "Normal", "Moving", "to host-b");
    await recorder.flush();
    const { namespace = "", name } = client.peekAll(events)[0]?.metadata ?? { name: "" };
    await client.delete(events, { namespace, name });
    recorder.record(guest, "Normal", "Moving", "to host-b");
    await recorder.flush();
    expect(client.peekAll(events).map((event) => event.count)).to.deep.equal([1]);
  });

  it("should cut one object's flood and not another's events", async () => {
    for (let time = 0; time < 40; time++) recorder.record(guest, "Normal", "Moving", `message ${time}`);
    recorder.record(vm({ uid: "uid-8", name: "guest-2" }), "Normal", "Moving", "to host-b");
    await recorder.flush();
    expect(client.peekAll(events)).to.have.length(26);
    await clock.advance(300_000);
    recorder.record(guest, "Normal", "Moving", "one more");
    recorder.record(guest, "Normal", "Moving", "one too many");
    await recorder.flush();
    expect(client.peekAll(events)).to.have.length(27);
  });

  it("should never fail its caller, and go on after a failure", async () => {
    client.failNext("create", events, new ApiError(403, "Forbidden", "no"));
    recorder.record(guest, "Normal", "Moving", "to host-b");
    recorder.record(guest, "Normal", "Running", "runs on host-b");
    await recorder.flush();
    expect(client.peekAll(events).map((event) => event.reason)).to.deep.equal(["Running"]);
    expect(lines.map((line) => line.msg)).to.deep.equal(["event not written"]);
  });
});
