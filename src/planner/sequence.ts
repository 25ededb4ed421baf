import type { Cluster, PlannerGuest } from "./inputs.ts";
import type { Placement } from "./placement.ts";
import { arrived, Room } from "./room.ts";

/**
 * Puts moves that need each other's room in an order in which each finds room when its turn comes. Where they go round
 * in a circle, one of them makes a stopover. Undefined when there is no such order.
 * @param stopovers hosts that may be used in between, in order of preference
 */
export function sequenceMoves(
  cluster: Cluster,
  moves: readonly Placement[],
  stopovers: readonly string[],
): Placement[] | undefined {
  const room = new Room(cluster.hosts, cluster.guests.map(arrived));
  const underWay = cluster.guests.flatMap((guest) =>
    guest.leaving === undefined ? [] : [{ guest, from: guest.leaving }],
  );
  // Everybody who has arrived, and nobody gone: what fits here need not wait.
  const crowded = new Room(cluster.hosts, cluster.guests);
  const sequence: Placement[] = [];
  const go = (move: Placement, isStopover: boolean): void => {
    const { guest, from, to } = move;
    const leavers = [...underWay, ...sequence].filter(
      (earlier) => earlier.from === to && earlier.guest.uid !== guest.uid,
    );
    const waitsFor = crowded.fits(guest, to) ? [] : [...new Set(leavers.map((earlier) => earlier.guest.uid))];
    sequence.push({ ...move, ...(waitsFor.length > 0 && { waitsFor }), ...(isStopover && { isStopover }) });
    room.leave(guest, from);
    room.take(guest, to);
    crowded.take(guest, to);
  };
  let waiting = [...moves];
  const rested = new Set<string>();
  while (waiting.length > 0) {
    const next = waiting.find(({ guest, to }) => room.fits(guest, to));
    if (next) {
      go(next, false);
      waiting = waiting.filter((move) => move !== next);
      continue;
    }
    const detour = findStopover(room, waiting, stopovers, rested);
    if (!detour) return undefined;
    rested.add(detour.move.guest.uid);
    go({ ...detour.move, to: detour.host }, true);
    waiting = waiting.map((move) => (move === detour.move ? { ...move, from: detour.host } : move));
  }
  return sequence;
}

function findStopover(
  room: Room,
  waiting: readonly Placement[],
  stopovers: readonly string[],
  rested: ReadonlySet<string>,
): { move: Placement; host: string } | undefined {
  const isNeeded = (guest: PlannerGuest, from: string) =>
    waiting.some((other) => other.guest.uid !== guest.uid && other.to === from);
  // The smallest first; only who stands in another one's way.
  const candidates = waiting
    .filter(({ guest, from }) => !rested.has(guest.uid) && isNeeded(guest, from))
    .sort((a, b) => a.guest.stateBytes - b.guest.stateBytes);
  for (const move of candidates) {
    const host = stopovers.find((name) => name !== move.from && name !== move.to && room.fits(move.guest, name));
    if (host !== undefined) return { move, host };
  }
  return undefined;
}
