import { dump } from "js-yaml";
import type { DriverName } from "../../src/agent/protocol/types.ts";
import { type Reservation, type VirtualMachine, vacateApiVersion } from "../../src/api/resources.ts";
import { startIn } from "../../src/cli/sample.ts";
import type { TestHostOptions } from "../testbed/host.ts";

const namespace = "default";

interface DemoGuest {
  name: string;
  memory: string;
  /** Where it is when the reservation comes. */
  home: string;
  /** Where it starts when it is one of the calibration migrations. */
  bornOn?: string;
  image: "counter" | "busy";
}

/**
 * Two hosts that will be wanted and two that take the displaced. Sizes differ, so that there is something to learn;
 * three guests start elsewhere and go home, which makes the three observations that a prediction needs at least.
 */
const guests: DemoGuest[] = [
  { name: "small", memory: "128Mi", home: "host-a", bornOn: "host-c", image: "counter" },
  { name: "middle", memory: "256Mi", home: "host-b", bornOn: "host-d", image: "counter" },
  { name: "large", memory: "512Mi", home: "host-a", bornOn: "host-c", image: "counter" },
  { name: "busy", memory: "256Mi", home: "host-b", image: "busy" },
  { name: "steady", memory: "384Mi", home: "host-a", image: "counter" },
  { name: "bystander", memory: "192Mi", home: "host-d", image: "counter" },
];

export function demoHosts(driver: DriverName, imagesFolder: string | undefined): Omit<TestHostOptions, "folder">[] {
  return ["host-a", "host-b", "host-c", "host-d"].map((name, index) => ({
    name,
    driver,
    memory: "3Gi",
    cpus: 8,
    labels: { pool: index < 2 ? "lab" : "spare" },
    ...(imagesFolder === undefined ? {} : { imagesFolder }),
  }));
}

export function demoVirtualMachines(): VirtualMachine[] {
  return guests.map(({ name, memory, home, bornOn, image }) => ({
    apiVersion: vacateApiVersion,
    kind: "VirtualMachine",
    metadata: { name, namespace },
    spec: { cpus: 1, memory, disk: { image }, hostName: bornOn ?? home },
  }));
}

/** The moves by which the model learns: each a person's change of a VM's home. */
export function calibrationMoves(): { name: string; namespace: string; to: string }[] {
  return guests.flatMap(({ name, home, bornOn }) => (bornOn === undefined ? [] : [{ name, namespace, to: home }]));
}

export function demoReservation(windowInSeconds: number, now: Date): Reservation {
  return {
    apiVersion: vacateApiVersion,
    kind: "Reservation",
    metadata: { name: "experiment", namespace },
    spec: {
      hosts: { count: 2, selector: { matchLabels: { pool: "lab" } } },
      window: { start: startIn(`${windowInSeconds}s`, now), duration: "1m" },
      afterwards: "Return",
    },
  };
}

export function toYaml(objects: object[]): string {
  return objects.map((object) => dump(object, { lineWidth: 120 })).join("---\n");
}
