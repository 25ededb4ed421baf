import type { Cluster, PlannerGuest, PlannerHost, ReservationRequest } from "../../src/planner/inputs.ts";

const gibibyte = 2 ** 30;
const now = new Date("2030-01-01T00:00:00Z");

export interface Instance {
  request: ReservationRequest;
  cluster: Cluster;
}

export interface Shape {
  hosts: number;
  guests: number;
  /** Hosts to reserve. */
  count: number;
  /** Share of the hosts' memory that guests may fill, 0 to 1. */
  fill: number;
}

/** Hosts of several sizes and links, guests with selectors, anti-affinity and a few that are never migrated. */
export function randomInstance({ hosts: hostCount, guests: guestCount, count, fill }: Shape, seed: number): Instance {
  const random = randomNumbers(seed);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const hosts = Array.from({ length: hostCount }, (_, index): PlannerHost => {
    const memory = pick([64, 64, 128, 256]);
    return {
      name: `host-${String(index).padStart(4, "0")}`,
      labels: { rack: pick(["a", "b", "c"]), disk: pick(["ssd", "ssd", "hdd"]) },
      cpus: memory / 2,
      memoryBytes: memory * gibibyte,
      isReady: random() > 0.02,
      isUnschedulable: random() < 0.05,
      linkBytesPerSecond: pick([125e6, 1250e6, 1250e6]),
      holds: [],
    };
  });
  const left = hosts.map(({ cpus, memoryBytes }) => ({ cpus, memoryBytes: memoryBytes * fill }));
  const open = hosts.map((_, index) => index);
  const guests: PlannerGuest[] = [];
  const there = hosts.map((): PlannerGuest[] => []);
  for (let index = 0; index < guestCount; index++) {
    const memoryBytes = pick([2, 4, 8, 8, 16]) * gibibyte;
    const cpus = pick([1, 2, 4]);
    const app = pick(["web", "db", "batch", "cache"]);
    const isApart = random() < 0.1;
    const apartFrom = isApart ? { matchLabels: { app } } : undefined;
    const start = Math.floor(random() * hostCount);
    // The next host in the round with room for it.
    const place = open
      .map((step) => (start + step) % hostCount)
      .find((candidate) => {
        const room = left[candidate];
        if (!room || room.cpus < cpus || room.memoryBytes < memoryBytes) return false;
        return !(there[candidate] ?? []).some((other) => other.labels.app === app && (isApart || other.apartFrom));
      });
    const [host, room] = [hosts[place ?? -1], left[place ?? -1]];
    if (!host || !room) continue;
    room.cpus -= cpus;
    room.memoryBytes -= memoryBytes;
    const guest: PlannerGuest = {
      uid: `uid-${index}`,
      namespace: "default",
      name: `vm-${String(index).padStart(5, "0")}`,
      labels: { app },
      cpus,
      memoryBytes,
      stateBytes: Math.round(memoryBytes * (0.1 + 0.9 * random())),
      hostName: host.name,
      occupies: new Set([host.name]),
      hostSelector: random() < 0.15 ? { matchLabels: { disk: host.labels.disk ?? "" } } : {},
      apartFrom,
      isMovable: random() > 0.02,
    };
    guests.push(guest);
    there[place ?? 0]?.push(guest);
  }
  const windowStart = new Date(now.getTime() + 24 * 3600_000);
  const request: ReservationRequest = {
    namespace: "default",
    name: "experiment",
    count,
    selector: random() < 0.3 ? { matchLabels: { disk: "ssd" } } : {},
    minCpus: 0,
    minMemoryBytes: 64 * gibibyte,
    windowStart,
    windowEnd: new Date(windowStart.getTime() + 4 * 3600_000),
    onTimeTarget: 0.99,
    returnsAfterwards: true,
    heldHosts: [],
  };
  return { request, cluster: { now, hosts, guests } };
}

/** Numbers from 0 to below 1, the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
