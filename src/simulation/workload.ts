import { formatMemory, parseMemory } from "../api/quantity.ts";
import { type Reservation, type VirtualMachine, type VMHost, vacateApiVersion } from "../api/resources.ts";
import { sequence } from "./random.ts";

export interface Scale {
  /** 1 or more. */
  days: number;
  /** 2 or more. */
  hosts: number;
  /** 0 or more. */
  virtualMachines: number;
  seed: number;
}

/** What happens in a simulation, the same under every policy. */
export interface Workload {
  start: Date;
  end: Date;
  hosts: VMHost[];
  /** What each host has. */
  hostSize: { cpus: number; memoryBytes: number };
  virtualMachines: VirtualMachine[];
  /** In the order of their creation. */
  requests: { createdAt: Date; reservation: Reservation }[];
}

const hourMilliseconds = 3_600_000;
/** The VMs fill this much of the memory of all hosts, so that others can take in what a few of them had. */
const filledShare = 0.4;
const cpusPerGibibyte = 0.5;
const memorySizes = [1, 2, 2, 4, 4, 8, 16].map((gibibytes) => gibibytes * 2 ** 30);
/** Windows asked for a day, for each host. */
const windowsPerHostDay = 0.1;
/** Nobody asks within the first hours: the VMs have to start. */
const quietHours = 1;

/** Draws hosts, VMs and reservations: windows of half an hour to six hours, asked for half an hour to a day before. */
export function drawWorkload({ days, hosts, virtualMachines, seed }: Scale): Workload {
  const start = new Date("2030-01-01T00:00:00Z");
  const random = sequence(`workload ${seed}`);
  const between = (least: number, most: number) => least + Math.floor(random() * (most - least + 1));
  const machines = Array.from({ length: virtualMachines }, (_, index) => {
    const memoryBytes = memorySizes[between(0, memorySizes.length - 1)] ?? 2 ** 30;
    return machine(`vm-${index}`, `host-${index % hosts}`, memoryBytes);
  });
  const count = Math.max(1, Math.round(days * hosts * windowsPerHostDay));
  const requests = Array.from({ length: count }, (_, index) => {
    const createdMilliseconds = quietHours * hourMilliseconds + random() * days * 24 * hourMilliseconds;
    const aheadMinutes = between(30, 24 * 60);
    const windowMinutes = 30 * between(1, 12);
    const wanted = between(1, Math.max(1, Math.floor(hosts / 5)));
    const createdAt = new Date(start.getTime() + wholeMinutes(createdMilliseconds));
    const opens = new Date(createdAt.getTime() + aheadMinutes * 60_000);
    return { createdAt, reservation: reservation(`window-${index}`, wanted, opens, windowMinutes) };
  });
  const byTime = (a: { createdAt: Date }, b: { createdAt: Date }) => a.createdAt.getTime() - b.createdAt.getTime();
  return {
    start,
    end: new Date(start.getTime() + days * 24 * hourMilliseconds),
    hosts: Array.from({ length: hosts }, (_, index) => host(`host-${index}`)),
    hostSize: hostSizeFor(machines, hosts),
    virtualMachines: machines,
    requests: requests
      .filter(({ createdAt }) => createdAt.getTime() < start.getTime() + days * 24 * hourMilliseconds)
      .sort(byTime),
  };
}

/** Large enough for any host's own VMs, and on the whole for those of the hosts that are reserved. */
function hostSizeFor(machines: readonly VirtualMachine[], hosts: number): Workload["hostSize"] {
  const loads = new Array<number>(hosts).fill(0);
  for (const [index, { spec }] of machines.entries()) {
    loads[index % hosts] = (loads[index % hosts] ?? 0) + parseMemory(spec.memory) / 2 ** 30;
  }
  const mean = loads.reduce((sum, load) => sum + load, 0) / hosts;
  const gibibytes = Math.ceil(Math.max(64, ...loads, mean / filledShare));
  return { cpus: Math.ceil(Math.max(gibibytes * cpusPerGibibyte, machines.length)), memoryBytes: gibibytes * 2 ** 30 };
}

function wholeMinutes(milliseconds: number): number {
  return Math.floor(milliseconds / 60_000) * 60_000;
}

function host(name: string): VMHost {
  return {
    apiVersion: vacateApiVersion,
    kind: "VMHost",
    metadata: { name },
    spec: {
      address: `${name}.example`,
      hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAISimulated",
      identitySecretName: "identity",
      driver: "Simulated",
      overheadModelName: "default",
      linkMegabitsPerSecond: 1000,
    },
  };
}

function machine(name: string, hostName: string, memoryBytes: number): VirtualMachine {
  return {
    apiVersion: vacateApiVersion,
    kind: "VirtualMachine",
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: { cpus: 1, memory: formatMemory(memoryBytes), hostName, disk: { image: "tiny" } },
  };
}

function reservation(name: string, count: number, opens: Date, minutes: number): Reservation {
  return {
    apiVersion: vacateApiVersion,
    kind: "Reservation",
    metadata: { name, namespace: "default" },
    spec: {
      hosts: { count },
      window: { start: `${opens.toISOString().slice(0, 19)}Z`, duration: `${minutes}m` },
      onTimeTarget: "99%",
      afterwards: "Return",
    },
  };
}
