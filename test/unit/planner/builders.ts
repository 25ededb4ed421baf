import fc from "fast-check";
import type { Cluster, PlannerGuest, PlannerHost, ReservationRequest } from "../../../src/planner/inputs.ts";

export const mebibyte = 2 ** 20;
const now = new Date("2030-01-01T00:00:00Z");
export const minutesLater = (minutes: number) => new Date(now.getTime() + minutes * 60_000);

export function host(name: string, overrides: Partial<PlannerHost> = {}): PlannerHost {
  return {
    name,
    labels: {},
    cpus: 8,
    memoryBytes: 4096 * mebibyte,
    isReady: true,
    isUnschedulable: false,
    linkBytesPerSecond: 125e6,
    holds: [],
    ...overrides,
  };
}

export function guest(name: string, hostName: string, overrides: Partial<PlannerGuest> = {}): PlannerGuest {
  return {
    uid: `uid-${name}`,
    namespace: "default",
    name,
    labels: {},
    cpus: 1,
    memoryBytes: 512 * mebibyte,
    stateBytes: 256 * mebibyte,
    hostName,
    occupies: new Set([hostName]),
    hostSelector: {},
    isMovable: true,
    ...overrides,
  };
}

export function request(overrides: Partial<ReservationRequest> = {}): ReservationRequest {
  return {
    namespace: "default",
    name: "experiment",
    count: 1,
    selector: {},
    minCpus: 0,
    minMemoryBytes: 0,
    windowStart: minutesLater(60),
    windowEnd: minutesLater(120),
    onTimeTarget: 0.99,
    returnsAfterwards: true,
    heldHosts: [],
    ...overrides,
  };
}

export function cluster(hosts: PlannerHost[], guests: PlannerGuest[] = []): Cluster {
  return { now, hosts, guests };
}

export const heldBy = (
  reservation: string,
  fromMinutes: number,
  toMinutes: number,
  closedFromMinutes = fromMinutes,
) => ({
  reservation,
  start: minutesLater(fromMinutes),
  end: minutesLater(toMinutes),
  closedFrom: minutesLater(closedFromMinutes),
});

/** Clusters of a few hosts whose guests fit where they are, with homes, constraints, holds and silent hosts. */
export const anyCluster: fc.Arbitrary<Cluster> = fc
  .record({
    hosts: fc.array(
      fc.record({
        cpus: fc.integer({ min: 4, max: 16 }),
        memory: fc.integer({ min: 4, max: 24 }),
        isReady: fc.integer({ min: 0, max: 7 }).map((value) => value > 0),
        rack: fc.constantFrom("a", "b"),
        isUnschedulable: fc.integer({ min: 0, max: 5 }).map((value) => value === 0),
        isHeld: fc.integer({ min: 0, max: 5 }).map((value) => value === 0),
      }),
      { minLength: 2, maxLength: 6 },
    ),
    guests: fc.array(
      fc.record({
        host: fc.integer({ min: 0, max: 5 }),
        cpus: fc.integer({ min: 1, max: 4 }),
        memory: fc.integer({ min: 1, max: 8 }),
        state: fc.integer({ min: 0, max: 4096 }),
        home: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
        app: fc.constantFrom("web", "db"),
        isApart: fc.integer({ min: 0, max: 3 }).map((value) => value === 0),
        rack: fc.option(fc.constantFrom("a", "b"), { nil: undefined, freq: 1 }),
        isMovable: fc.integer({ min: 0, max: 19 }).map((value) => value > 0),
      }),
      { minLength: 3, maxLength: 14 },
    ),
  })
  .map(({ hosts, guests }) => {
    const built = hosts.map((one, index) =>
      host(`host-${index}`, {
        cpus: one.cpus,
        memoryBytes: one.memory * 256 * mebibyte,
        isReady: one.isReady,
        isUnschedulable: one.isUnschedulable,
        labels: { rack: one.rack },
        holds: one.isHeld ? [heldBy("other/held", 30, 90)] : [],
      }),
    );
    const free = built.map(({ cpus, memoryBytes }) => ({ cpus, memoryBytes }));
    const placed = guests.flatMap((one, index) => {
      const place = one.host % built.length;
      const left = free[place];
      const memoryBytes = one.memory * 128 * mebibyte;
      if (!left || left.cpus < one.cpus || left.memoryBytes < memoryBytes) return [];
      left.cpus -= one.cpus;
      left.memoryBytes -= memoryBytes;
      return guest(`vm-${index}`, `host-${place}`, {
        cpus: one.cpus,
        memoryBytes,
        stateBytes: one.state * mebibyte,
        labels: { app: one.app },
        homeName: one.home === undefined ? undefined : `host-${one.home}`,
        hostSelector: one.rack === undefined ? {} : { matchLabels: { rack: one.rack } },
        apartFrom: one.isApart ? { matchLabels: { app: one.app } } : undefined,
        isMovable: one.isMovable,
      });
    });
    return cluster(built, placed);
  });
