import { expect } from "chai";
import type { Reservation } from "../../../../src/api/resources.ts";
import { reservations } from "../../../../src/api/resources.ts";
import type { ReservationStatus } from "../../../../src/api/types.gen.ts";
import { recordWindow, windowOf } from "../../../../src/controllers/reservation/window.ts";
import { ApiError } from "../../../../src/runtime/client.ts";
import { World } from "./world.ts";

const key = { namespace: "default", name: "experiment" };
const everyFiveMinutes = { window: { schedule: "*/5 * * * *", duration: "2m" } };

describe("a recurring reservation", () => {
  let world: World;
  const status = () => world.reservation("experiment").status;
  const isActive = () => world.condition("experiment", "Active") === "True WindowOpen";

  beforeEach(() => {
    world = new World();
    for (const name of ["host-a", "host-b"]) world.host(name);
    world.machine("homed-a", "host-a", { hostName: "host-a" });
    world.machine("pinned-b", "host-b", { migration: { policy: "Never" } });
  });

  afterEach(() => {
    expect(world.violations).to.deep.equal([]);
  });

  it("should go from window to window, and keep their outcomes", async () => {
    await world.reserve("experiment", everyFiveMinutes);
    await world.runUntil(2);
    expect(status()?.phase).to.equal("Planned");
    expect(status()?.window).to.deep.equal({ number: 1, start: world.at(300), end: world.at(420) });
    expect(status()?.nextWindow).to.deep.equal({ number: 2, start: world.at(600), end: world.at(720) });
    await world.runUntil(301);
    expect(isActive()).to.equal(true);
    expect(world.places()["homed-a"]).to.equal("host-b");
    await world.runWhile(() => status()?.window?.number === 1);
    await world.runWhile(() => status()?.phase !== "Planned");
    expect(world.places()["homed-a"]).to.equal("host-a");
    expect(status()?.window).to.deep.equal({ number: 2, start: world.at(600), end: world.at(720) });
    expect(status(), "of the last window").to.not.have.any.keys("outcome", "vacatingSince");
    expect(world.condition("experiment", "Completed")).to.equal("False WindowNotOpen");
    const first = status()?.windows?.[0];
    expect(first).to.include({ number: 1, start: world.at(300), end: world.at(420), result: "OnTime" });
    expect(first?.leadMilliseconds).to.be.above(0);
    expect(first?.measuredMilliseconds).to.be.above(0);
    await world.runUntil(601);
    expect(isActive()).to.equal(true);
    await world.runWhile(() => status()?.window?.number !== 3);
    expect(status()?.windows?.map(({ number, result }) => `${number} ${result}`)).to.deep.equal([
      "2 OnTime",
      "1 OnTime",
    ]);
    expect(world.events.recorded.filter((line) => line.includes("Returned"))).to.have.length(2);
    const { values } = await world.metrics.reservations.get();
    expect(values.find(({ labels }) => labels.result === "OnTime")?.value).to.equal(2);
  });

  it("should write nothing while it waits for the next window", async () => {
    await world.reserve("experiment", { window: { schedule: "0 * * * *", duration: "2m" } });
    await world.runUntil(3);
    const patches = () => world.client.calls.filter(({ verb }) => verb === "patch").length;
    const before = patches();
    await world.runUntil(120);
    expect(patches()).to.equal(before);
  });

  it("should say which window was missed and why, and try the next", async () => {
    await world.reserve("rival", { window: { start: world.at(290), duration: "4m" } });
    await world.runUntil(1);
    await world.reserve("experiment", everyFiveMinutes);
    await world.runUntil(3);
    expect(world.condition("experiment", "Admitted")).to.equal("False Conflict");
    expect(status()?.window?.start).to.equal(world.at(300));
    await world.runWhile(() => status()?.window?.number === 1);
    expect(status()?.windows).to.deep.equal([
      { number: 1, start: world.at(300), end: world.at(420), result: "Missed" },
    ]);
    const missed = world.events.recorded.find((line) => line.includes("NotStarted"));
    expect(missed).to.match(/the window is over; it was not admitted: 1 host wanted, .* held by default\/rival/);
    await world.runUntil(601);
    expect(isActive()).to.equal(true);
    const { values } = await world.metrics.reservations.get();
    expect(values.find(({ labels }) => labels.result === "Missed")?.value).to.equal(1);
  });

  it("should follow an edited schedule before vacating, and from the next window on while vacating", async () => {
    await world.reserve("experiment", everyFiveMinutes);
    await world.runUntil(2);
    const edit = (schedule: string) =>
      world.client.patch(reservations, key, { spec: { window: { schedule, duration: "2m" } } });
    await edit("3-59/15 * * * *");
    await world.runUntil(4);
    expect(status()?.window).to.deep.equal({ number: 1, start: world.at(180), end: world.at(300) });
    await world.runWhile(() => status()?.vacatingSince === undefined);
    await edit("30 * * * *");
    await world.runUntil(181);
    expect(isActive()).to.equal(true);
    expect(status()?.window?.start).to.equal(world.at(180));
    await world.runWhile(() => status()?.phase !== "Planned");
    expect(status()?.window).to.deep.equal({ number: 2, start: world.at(1800), end: world.at(1920) });
  });

  it("should carry its window through though its schedule makes no sense any more", async () => {
    await world.reserve("experiment", everyFiveMinutes);
    await world.runWhile(() => status()?.vacatingSince === undefined);
    await world.client.patch(reservations, key, { spec: { window: { schedule: "0 9 31 2 *", duration: "2m" } } });
    await world.runUntil(301);
    expect(isActive()).to.equal(true);
    await world.runWhile(() => world.condition("experiment", "Admitted") !== "False InvalidSpec");
    expect(world.message("experiment", "Admitted")).to.match(/^spec.window: "0 9 31 2 \*" is no schedule/);
    expect(world.places()["homed-a"]).to.equal("host-a");
    expect(world.holders()["host-a"]).to.deep.equal([]);
  });

  it("should join a window late that has begun while the one before was ended", async () => {
    await world.reserve("experiment", { window: { schedule: "*/2 * * * *", duration: "2m" } });
    await world.runWhile(() => status()?.windows === undefined || status()?.phase !== "Active");
    expect(status()?.window).to.deep.equal({ number: 2, start: world.at(240), end: world.at(360) });
    expect(status()?.outcome?.result).to.equal("Late");
  });

  it("should go on wherever the operator is killed and started again", async () => {
    await world.reserve("experiment", everyFiveMinutes);
    let patches = 0;
    await world.runWhile(() => {
      world.restart();
      // Every other write: faults that nobody has met yet would add up while it waits.
      const met = world.client.calls.filter(
        ({ verb, plural }) => verb === "patch" && plural === reservations.plural,
      ).length;
      if (met >= patches + 2) world.client.failNext("patch", reservations, new ApiError(409, "Conflict", "killed"));
      if (met >= patches + 2) patches = met;
      return status()?.window?.number !== 2 || status()?.phase !== "Planned";
    });
    expect(status()?.windows?.map(({ number, result }) => `${number} ${result}`)).to.deep.equal(["1 OnTime"]);
    expect(world.places()["homed-a"]).to.equal("host-a");
  });

  it("should end for good when it is deleted", async () => {
    await world.reserve("experiment", everyFiveMinutes);
    await world.runUntil(301);
    await world.client.delete(reservations, key);
    await world.runWhile(() => world.client.peekAll(reservations).length > 0);
    expect(world.places()["homed-a"]).to.equal("host-a");
    expect(world.holders()["host-a"]).to.deep.equal([]);
  });
});

describe("windowOf", () => {
  const now = new Date("2030-01-01T00:00:00Z");
  const reservation = (window: object, status?: ReservationStatus) =>
    ({ metadata: { name: "x" }, spec: { hosts: { count: 1 }, window }, status }) as unknown as Reservation;
  const bad: [what: string, window: object, message: RegExp][] = [
    ["neither start nor schedule", { duration: "1h" }, /needs either start or schedule/],
    ["both", { start: "2030-01-02T00:00:00Z", schedule: "0 9 * * *", duration: "1h" }, /and not both/],
    ["a start that is no time", { start: "tomorrow", duration: "1h" }, /spec.window.start "tomorrow" is no time/],
    [
      "a schedule that is none",
      { schedule: "0 25 * * *", duration: "1h" },
      /^spec.window: "0 25 \* \* \*" is no schedule/,
    ],
    ["an unknown zone", { schedule: "0 9 * * *", timeZone: "Mars", duration: "1h" }, /"Mars" is no IANA time zone/],
    ["a short window", { schedule: "0 9 * * *", duration: "5s" }, /spec.window.duration 5s is not between/],
  ];
  for (const [what, window, message] of bad) {
    it(`should refuse ${what}`, () => {
      expect(() => windowOf({ reservation: reservation(window), now })).to.throw(RangeError, message);
    });
  }

  it("should read the schedule in its zone", () => {
    const window = { schedule: "0 9 * * *", timeZone: "Europe/Berlin", duration: "8h" };
    expect(windowOf({ reservation: reservation(window), now })).to.deep.equal({
      number: 1,
      start: new Date("2030-01-01T08:00:00Z"),
      end: new Date("2030-01-01T16:00:00Z"),
    });
  });
});

describe("recordWindow", () => {
  it("should keep the last ten, the newest first, each once", () => {
    const status: ReservationStatus = {};
    for (let number = 1; number <= 12; number++) {
      status.window = { number, start: "2030-01-01T00:00:00Z", end: "2030-01-01T01:00:00Z" };
      status.outcome = { result: "OnTime", leadMilliseconds: number };
      recordWindow(status);
      recordWindow(status);
    }
    expect(status.windows?.map(({ number }) => number)).to.deep.equal([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    expect(status.windows?.[0]).to.include({ result: "OnTime", leadMilliseconds: 12 });
  });
});
