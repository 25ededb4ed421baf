import { expect } from "chai";
import { admit } from "../../../src/planner/admission.ts";
import { cluster, guest, heldBy, host, mebibyte, minutesLater, request } from "./builders.ts";

describe("admit", () => {
  const four = ["host-a", "host-b", "host-c", "host-d"].map((name) => host(name));

  it("should choose the hosts that are cheapest to vacate", () => {
    const guests = [
      guest("one", "host-a", { stateBytes: 4000 * mebibyte }),
      guest("two", "host-b", { stateBytes: 100 * mebibyte }),
      guest("three", "host-c", { stateBytes: 2000 * mebibyte }),
      guest("four", "host-d", { stateBytes: 200 * mebibyte }),
    ];
    expect(admit(request({ count: 2 }), cluster(four, guests)).plan?.hosts).to.deep.equal(["host-b", "host-d"]);
  });

  it("should keep hosts that it holds already", () => {
    const guests = [guest("one", "host-d")];
    const { plan } = admit(request({ count: 2, heldHosts: ["host-d"] }), cluster(four, guests));
    expect(plan?.hosts).to.deep.equal(["host-a", "host-d"]);
  });

  it("should take the next best hosts when the cheapest cannot be vacated", () => {
    const hosts = [host("host-a"), host("host-b"), host("host-c", { memoryBytes: 700 * mebibyte })];
    const guests = [
      // Cheapest to vacate, but it fits nowhere else.
      guest("a", "host-a", { memoryBytes: 3900 * mebibyte, stateBytes: 10 * mebibyte }),
      guest("b", "host-b", { memoryBytes: 600 * mebibyte, stateBytes: 400 * mebibyte }),
      guest("c", "host-c", { memoryBytes: 700 * mebibyte, stateBytes: 4000 * mebibyte }),
    ];
    expect(admit(request(), cluster(hosts, guests)).plan?.hosts).to.deep.equal(["host-c"]);
  });

  it("should refuse a window in the past only before the first admission", () => {
    const past = request({ windowStart: minutesLater(-1) });
    expect(admit(past, cluster(four)).refusal).to.deep.include({ reason: "WindowInPast" });
    expect(admit(past, cluster(four)).refusal?.message).to.include("2029-12-31T23:59:00.000Z is not in the future");
    expect(admit(past, cluster(four), true).plan).to.not.equal(undefined);
  });

  it("should say how many hosts qualify and why the others do not", () => {
    const hosts = [
      host("host-a"),
      host("host-b", { cpus: 2 }),
      host("host-c", { isReady: false }),
      host("host-d", { reservableFrom: ["lab"] }),
      host("host-e"),
      host("host-f", { memoryBytes: 1024 * mebibyte }),
    ];
    const pinned = guest("pinned", "host-e", { isMovable: false });
    const { refusal } = admit(
      request({ count: 2, minCpus: 4, minMemoryBytes: 2048 * mebibyte }),
      cluster(hosts, [pinned]),
    );
    expect(refusal).to.deep.equal({
      reason: "InsufficientHosts",
      message:
        "2 hosts wanted, 1 of 6 qualify: host-b has 2 CPUs, 4 wanted; host-c is not ready; " +
        "host-d is not reservable from namespace default; host-e has default/pinned, which is never migrated; " +
        "host-f has 1.0 GiB of memory, 2.0 GiB wanted",
    });
  });

  it("should let VMs stay that the reservation allows", () => {
    const own = guest("mine", "host-a", { labels: { run: "bmi" }, isMovable: false });
    const foreign = guest("theirs", "host-a", { labels: { run: "bmi" }, namespace: "other" });
    const one = [host("host-a"), host("host-b", { cpus: 1 })];
    const asked = request({
      guests: { matchLabels: { run: "bmi" } },
      selector: { matchLabels: {} },
      heldHosts: ["host-a"],
    });
    const { plan } = admit(asked, cluster(one, [own, foreign]));
    expect(plan?.moves.map(({ guest: moved }) => moved.name)).to.deep.equal(["theirs"]);
  });

  it("should refuse hosts held for an overlapping window, name the holder and say when it would fit", () => {
    const hosts = four.map((one, index) => (index < 3 ? { ...one, holds: [heldBy("lab/first", 30, 90)] } : one));
    const { refusal } = admit(request({ count: 2 }), cluster(hosts));
    expect(refusal?.reason).to.equal("Conflict");
    expect(refusal?.message).to.include("2 hosts wanted, 1 of 4 that qualify is not held");
    expect(refusal?.message).to.include("host-a is held by lab/first");
    expect(refusal?.fitsFrom).to.deep.equal(minutesLater(90));
  });

  it("should take other hosts when some are held, and held ones for a window that does not overlap", () => {
    const hosts = four.map((one, index) => (index < 2 ? { ...one, holds: [heldBy("lab/first", 30, 90)] } : one));
    expect(admit(request({ count: 2 }), cluster(hosts)).plan?.hosts).to.deep.equal(["host-c", "host-d"]);
    const before = four.map((one) => ({ ...one, holds: [heldBy("lab/first", 10, 60)] }));
    expect(admit(request({ count: 4 }), cluster(before)).plan?.hosts).to.have.length(4);
  });

  it("should say which VM fits nowhere and what the hosts have free", () => {
    const hosts = [host("host-a"), host("host-b", { memoryBytes: 1024 * mebibyte })];
    const guests = [
      guest("large", "host-a", { memoryBytes: 2048 * mebibyte }),
      guest("pinned", "host-b", { isMovable: false }),
    ];
    const { refusal } = admit(request(), cluster(hosts, guests));
    expect(refusal).to.deep.equal({
      reason: "InsufficientCapacity",
      message:
        "to vacate host-a, 0 of 1 displaced VM can be placed elsewhere; VM default/large (1 CPUs, 2048 MiB) fits on no " +
        "other host: host-b has 7 CPUs and 512.0 MiB free; 1.5 GiB of memory short on host-b, the nearest",
    });
  });

  it("should name no time for what time does not heal", () => {
    const { refusal } = admit(request({ count: 9 }), cluster(four));
    expect(refusal?.reason).to.equal("InsufficientHosts");
    expect(refusal).to.not.have.property("fitsFrom");
  });

  it("should advise a time when only another reservation's hosts are missing as targets", () => {
    const hosts = [host("host-a"), host("host-b", { holds: [heldBy("lab/first", 30, 90)] })];
    const { refusal } = admit(request(), cluster(hosts, [guest("vm", "host-a")]));
    expect(refusal?.reason).to.equal("InsufficientCapacity");
    expect(refusal?.fitsFrom).to.deep.equal(minutesLater(90));
  });

  it("should refuse when a displaced VM could not return", () => {
    const crowded = [host("host-a", { cpus: 1 }), host("host-b", { cpus: 4 })];
    const guests = [guest("one", "host-a", { cpus: 1 }), guest("two", "host-a", { cpus: 1 })];
    const pinned = guest("pinned", "host-b", { isMovable: false });
    const { refusal } = admit(request(), cluster(crowded, [...guests, pinned]));
    expect(refusal?.message).to.include("VM default/two could not return: host-a has 0 CPUs");
    expect(admit(request({ returnsAfterwards: false }), cluster(crowded, [...guests, pinned])).plan).to.not.equal(
      undefined,
    );
  });
});
