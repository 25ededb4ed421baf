import { type Cluster, guestName, type PlannerGuest, type ReservationRequest } from "./inputs.ts";
import { describeObstacle, Room } from "./room.ts";

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
    const back = choices.find((name) => room.fits(guest, name));
    if (back === undefined) {
      const obstacle = room.obstacle(guest, from);
      return `VM ${guestName(guest)} could not return: ${from} ${obstacle && describeObstacle(obstacle)}`;
    }
    room.take(guest, back);
  }
  return undefined;
}
