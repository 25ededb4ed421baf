import { type Cluster, guestName, type PlannerGuest, type ReservationRequest } from "./inputs.ts";
import { Room } from "./room.ts";

interface Displacement {
  guest: PlannerGuest;
  from: string;
}

/**
 * Whether every displaced VM can go back after the window: to its home, or else to the host it came from.
 * Returns what is in the way, undefined when nothing is.
 */
export function wayBackObstacle(
  request: ReservationRequest,
  cluster: Cluster,
  moves: readonly Displacement[],
): string | undefined {
  const displaced = new Set(moves.map(({ guest }) => guest.uid));
  const room = new Room(
    cluster.hosts,
    cluster.guests.filter((guest) => !displaced.has(guest.uid)),
  );
  for (const { guest, from } of moves) {
    if (!request.returnsAfterwards && guest.homeName === undefined) continue;
    const choices = guest.homeName === undefined ? [from] : [guest.homeName, from];
    const back = choices.find((name) => room.obstacle(guest, name) === undefined);
    if (back === undefined) return `VM ${guestName(guest)} could not return: ${from} ${room.obstacle(guest, from)}`;
    room.take(guest, back);
  }
  return undefined;
}
