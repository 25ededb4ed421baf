import { formatBytes } from "../api/quantity.ts";
import { guestName, type PlannerGuest } from "./inputs.ts";
import { describeObstacle, type Obstacle, type Room } from "./room.ts";

/** Hosts listed in a message. */
const mostListed = 5;

/** Why there is no host for the guest: what every host lacks, and what is missing on the nearest miss. */
export function whyNowhere(guest: PlannerGuest, targets: readonly string[], room: Room): string {
  if (!guest.isMovable) return `VM ${guestName(guest)} on ${guest.hostName} is never migrated (migration.policy)`;
  const need = `VM ${guestName(guest)} (${guest.cpus} CPUs, ${guest.memoryBytes / 2 ** 20} MiB)`;
  if (targets.length === 0) return `${need} has nowhere to go: no other host is ready, schedulable and not held`;
  const obstacles = targets.flatMap((name) => {
    const obstacle = room.obstacle(guest, name);
    return obstacle ? [{ name, obstacle }] : [];
  });
  const listed = obstacles.slice(0, mostListed).map(({ name, obstacle }) => `${name} ${describeObstacle(obstacle)}`);
  const more = obstacles.length > listed.length ? `; and ${obstacles.length - listed.length} more` : "";
  return `${need} fits on no other host: ${listed.join("; ")}${more}${nearestMiss(obstacles)}`;
}

/** What binds: the host that lacks the least, and how much that is. */
function nearestMiss(obstacles: readonly { name: string; obstacle: Obstacle }[]): string {
  const short = obstacles.flatMap(({ name, obstacle }) =>
    obstacle.kind === "Capacity" ? [{ name, ...obstacle }] : [],
  );
  const nearest = short.reduce<(typeof short)[number] | undefined>((least, one) => {
    if (!least) return one;
    const difference = one.shortMemoryBytes - least.shortMemoryBytes || one.shortCpus - least.shortCpus;
    return difference < 0 ? one : least;
  }, undefined);
  if (!nearest) return "";
  const missing = [
    ...(nearest.shortMemoryBytes > 0 ? [`${formatBytes(nearest.shortMemoryBytes)} of memory`] : []),
    ...(nearest.shortCpus > 0 ? [`${nearest.shortCpus} CPUs`] : []),
  ];
  return `; ${missing.join(" and ")} short on ${nearest.name}, the nearest`;
}
