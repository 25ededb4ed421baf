import { parseArgs } from "node:util";
import { dump } from "js-yaml";
import { systemClock } from "../api/clock.ts";
import { parseDuration } from "../api/duration.ts";
import { vacateApiVersion } from "../api/resources.ts";
import { parseWholeNumber, UsageError } from "./usage.ts";

const help = `usage: vacate sample KIND [OPTIONS]

Prints a manifest to start from. KIND is reservation, virtualmachine or vmhost.

  --name NAME        name of the object
  --namespace NAME   namespace, default "default"
  --in DURATION      reservation: the window starts this long from now, default 2m
  --duration D       reservation: length of the window, default 15m
  --hosts N          reservation: number of hosts, default 1
  --memory SIZE      virtualmachine: memory, default 256Mi
  --image NAME       virtualmachine: base image, default counter`;

/** `vacate sample`: a fixed date in a file would always be in the past, so a reservation's window counts from now. */
export async function runSample(argv: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      help: { type: "boolean" },
      name: { type: "string" },
      namespace: { type: "string", default: "default" },
      in: { type: "string", default: "2m" },
      duration: { type: "string", default: "15m" },
      hosts: { type: "string", default: "1" },
      memory: { type: "string", default: "256Mi" },
      image: { type: "string", default: "counter" },
    },
  });
  if (values.help) return console.log(help);
  const kind = positionals[0] ?? "";
  const makers: Record<string, () => object> = {
    reservation: () => ({
      apiVersion: vacateApiVersion,
      kind: "Reservation",
      metadata: { name: values.name ?? "sample", namespace: values.namespace },
      spec: {
        hosts: { count: parseWholeNumber("hosts", values.hosts, 1, 1000) },
        window: {
          start: startIn(values.in, systemClock.now()),
          duration: checkedDuration("duration", values.duration),
        },
      },
    }),
    virtualmachine: () => ({
      apiVersion: vacateApiVersion,
      kind: "VirtualMachine",
      metadata: { name: values.name ?? "sample", namespace: values.namespace },
      spec: { cpus: 1, memory: values.memory, disk: { image: values.image } },
    }),
    vmhost: () => ({
      apiVersion: vacateApiVersion,
      kind: "VMHost",
      metadata: { name: values.name ?? "host-a" },
      spec: {
        address: "192.0.2.10",
        hostKey: "ssh-ed25519 AAAA…  # cat /etc/ssh/ssh_host_ed25519_key.pub on the host",
        identitySecretName: "vacate-identity",
      },
    }),
  };
  const make = makers[kind];
  if (!make) throw new UsageError(`no sample of ${JSON.stringify(kind)}; there are ${Object.keys(makers).join(", ")}`);
  process.stdout.write(dump(make(), { lineWidth: 120 }));
}

/** RFC 3339 time, in whole seconds, that long after now. */
export function startIn(duration: string, now: Date): string {
  const start = new Date(now.getTime() + parseDurationOption("in", duration) * 1000);
  return `${start.toISOString().slice(0, 19)}Z`;
}

function checkedDuration(option: string, text: string): string {
  parseDurationOption(option, text);
  return text;
}

function parseDurationOption(option: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}`);
  }
}
