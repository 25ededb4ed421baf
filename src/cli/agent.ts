import { join } from "node:path";
import { parseArgs } from "node:util";
import { startAgent } from "../agent/agent.ts";
import { createDriver, type DriverOptions } from "../agent/drivers/create-driver.ts";
import { acceleratedClock } from "../agent/drivers/simulated/accelerated-clock.ts";
import { createAgentLog } from "../agent/log.ts";
import { systemClock } from "../api/clock.ts";
import { parseMemory } from "../api/quantity.ts";
import { logLevelOf } from "./command-support.ts";
import { parseWholeNumber, UsageError } from "./usage.ts";

const help = `usage: vacate agent [OPTIONS]

Runs this host's virtual machines and moves them to other hosts. Answers on a Unix socket, which the operator reaches through
SSH. Guests outlive the agent. Prints one line of JSON when it is ready.

  --data-dir DIR        journal and disks, on persistent disk; default /var/lib/vacate
  --state-dir DIR       memory of the guests; on tmpfs state lands in RAM, else on disk; default /dev/shm/vacate
  --run-dir DIR         sockets of the guests; default /run/vacate
  --socket PATH         the agent's own socket; default agent.sock in the run directory
  --images DIR          base images, a folder each; default images in the data directory
  --data-address ADDR   address on which state of other hosts arrives; default 127.0.0.1
  --data-port PORT      its port; default 0, a free one
  --driver NAME         QEMU (default) or Simulated
  --accelerator NAME    QEMU: auto (default), kvm or tcg
  --cpu-model NAME      QEMU: the CPU that guests see, the same on all hosts
  --machine-type NAME   QEMU: versioned, such as pc-q35-7.2
  --network NAME        QEMU: isolated (default) or user
  --memory SIZE         for guests, such as 64Gi; default all of the machine
  --cpus N              for guests; default all of the machine
  --state-landing WHERE Simulated: RAM (default) or Disk
  --speed FACTOR        Simulated: so many seconds pass in one; default 1
  --log-level LEVEL     debug, info, warn or error; default info`;

const options = {
  help: { type: "boolean" },
  "data-dir": { type: "string", default: "/var/lib/vacate" },
  "state-dir": { type: "string", default: "/dev/shm/vacate" },
  "run-dir": { type: "string", default: "/run/vacate" },
  socket: { type: "string" },
  images: { type: "string" },
  "data-address": { type: "string", default: "127.0.0.1" },
  "data-port": { type: "string", default: "0" },
  driver: { type: "string", default: "QEMU" },
  accelerator: { type: "string" },
  "cpu-model": { type: "string" },
  "machine-type": { type: "string" },
  network: { type: "string" },
  memory: { type: "string" },
  cpus: { type: "string" },
  "state-landing": { type: "string" },
  speed: { type: "string" },
  "log-level": { type: "string", default: "info" },
} as const;

/** `vacate agent`. Ends when the signal is aborted; guests go on. */
export async function runAgent(argv: string[], signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) return console.log(help);
  const driver = createDriver(driverOptions(values));
  const socketPath = values.socket ?? join(values["run-dir"], "agent.sock");
  const agent = await startAgent({
    dataDirectory: values["data-dir"],
    socketPath,
    dataAddress: values["data-address"],
    dataPort: parseWholeNumber("data-port", values["data-port"], 0, 65_535),
    driver,
    clock: systemClock,
    logger: createAgentLog(logLevelOf(values["log-level"])),
    signal,
  });
  console.log(JSON.stringify({ socket: socketPath, dataPort: agent.dataPort, agentUuid: agent.agentUuid }));
  await agent.closed;
}

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

function driverOptions(values: Values): DriverOptions {
  const dataDirectory = values["data-dir"];
  const capacity = {
    ...(values.cpus === undefined ? {} : { cpus: parseWholeNumber("cpus", values.cpus, 1, 4096) }),
    ...(values.memory === undefined ? {} : { memoryBytes: memoryOption(values.memory) }),
  };
  if (values.driver === "Simulated") {
    for (const name of ["accelerator", "cpu-model", "machine-type", "network"] as const)
      refuseFor("Simulated", values, name);
    const speed = values.speed === undefined ? 1 : parseWholeNumber("speed", values.speed, 1, 1_000_000);
    return {
      name: "Simulated",
      dataDirectory,
      clock: acceleratedClock(systemClock, speed),
      stateLanding: oneOf("state-landing", values["state-landing"] ?? "RAM", ["RAM", "Disk"]),
      capacity,
    };
  }
  if (values.driver !== "QEMU")
    throw new UsageError(`--driver ${JSON.stringify(values.driver)} is neither QEMU nor Simulated`);
  for (const name of ["state-landing", "speed"] as const) refuseFor("QEMU", values, name);
  const { accelerator, "cpu-model": cpuModel, "machine-type": machineType, network } = values;
  return {
    name: "QEMU",
    dataDirectory,
    stateDirectory: values["state-dir"],
    runDirectory: values["run-dir"],
    imagesDirectory: values.images ?? join(dataDirectory, "images"),
    ...(accelerator === undefined ? {} : { accelerator: oneOf("accelerator", accelerator, ["auto", "kvm", "tcg"]) }),
    ...(cpuModel === undefined ? {} : { cpuModel }),
    ...(machineType === undefined ? {} : { machineType }),
    ...(network === undefined ? {} : { network: oneOf("network", network, ["isolated", "user"]) }),
    capacity,
    clock: systemClock,
  };
}

function refuseFor(driver: string, values: Values, name: keyof Values): void {
  if (values[name] !== undefined) throw new UsageError(`--${name} makes no sense with --driver ${driver}`);
}

function oneOf<const Choice extends string>(name: string, text: string, choices: Choice[]): Choice {
  const choice = choices.find((each) => each === text);
  if (choice === undefined) throw new UsageError(`--${name} ${JSON.stringify(text)} is none of ${choices.join(", ")}`);
  return choice;
}

function memoryOption(text: string): number {
  try {
    return parseMemory(text);
  } catch (error) {
    throw new UsageError(`--memory: ${(error as Error).message}`);
  }
}
