import { keyOf } from "../../api/object.ts";
import { type Reservation, type VMHost, virtualMachines, vmHosts } from "../../api/resources.ts";
import { type Client, isConflict, isNotFound } from "../../runtime/client.ts";
import type { Action, AssignAction } from "./decision.ts";
import { type Hold, ownHold } from "./view.ts";

/** Attempts at a host's holds when its status keeps changing meanwhile. */
const attempts = 4;

/** Another reservation has taken the host for an overlapping window meanwhile. */
export class HostTakenError extends Error {
  override readonly name = "HostTakenError";
}

/**
 * Writes a VM's assignment, on the very version that was decided upon: a migration that has begun meanwhile, or
 * another writer's assignment, ends in a conflict (409) and a new decision.
 */
export async function assign(client: Client, { vm, assignment }: AssignAction, signal: AbortSignal): Promise<void> {
  const { resourceVersion, uid } = vm.metadata;
  // A merge patch keeps what it does not name.
  const wanted = assignment && {
    returnTo: null,
    ...assignment,
    by: { namespace: null, name: null, uid: null, ...assignment.by },
  };
  const patch = { metadata: { resourceVersion, uid }, status: { assignment: wanted } };
  try {
    await client.patch(virtualMachines, keyOf(vm), patch, { subresource: "status", signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/**
 * Writes or removes the reservation's entry among a host's holds. What others wrote meanwhile is read and respected.
 * @throws HostTakenError when another reservation holds the host for an overlapping window
 */
export async function writeHold(
  client: Client,
  reservation: Reservation,
  action: Extract<Action, { do: "Hold" | "Release" }>,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const host = await readHost(client, action.hostName, signal);
    if (!host) return;
    const others = (host.status?.holds ?? []).filter((hold) => hold.reservation.uid !== reservation.metadata.uid);
    if (action.do === "Release" && !ownHold(host, reservation)) return;
    const holds = action.do === "Release" ? others : withHold(others, action.hold, action.hostName);
    const { resourceVersion, uid } = host.metadata;
    const patch = { metadata: { resourceVersion, uid }, status: { holds } };
    try {
      await client.patch(vmHosts, keyOf(host), patch, { subresource: "status", signal });
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === attempts) throw error;
    }
  }
}

async function readHost(client: Client, name: string, signal: AbortSignal): Promise<VMHost | undefined> {
  try {
    return await client.get(vmHosts, { name }, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function withHold(others: readonly Hold[], wanted: Hold, hostName: string): Hold[] {
  const rival = others.find(
    (hold) => Date.parse(hold.start) < Date.parse(wanted.end) && Date.parse(wanted.start) < Date.parse(hold.end),
  );
  if (rival) {
    const { namespace, name } = rival.reservation;
    throw new HostTakenError(`${hostName} was taken by ${namespace}/${name} from ${rival.start} to ${rival.end}`);
  }
  return [...others, wanted].sort((a, b) => Date.parse(a.start) - Date.parse(b.start));
}
