import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isKvmUsable } from "./accelerator-proof.ts";

const run = promisify(execFile);

/** What the QEMU of this host can do. */
export interface HostSoftware {
  /** All it has, such as `pc-q35-7.2`. */
  machineTypes: string[];
  cpuModels: string[];
  accelerator: "kvm" | "tcg";
}

/**
 * @param kernel a Linux kernel with which KVM has to prove itself where `wanted` is `auto`
 * @throws Error when QEMU is not there
 */
export async function examineHost(
  binary: string,
  wanted: "auto" | "kvm" | "tcg",
  kernel: string | undefined,
  signal: AbortSignal,
): Promise<HostSoftware> {
  const machines = await run(binary, ["-machine", "help"], { signal });
  const models = await run(binary, ["-cpu", "help"], { signal });
  const accelerator = wanted !== "auto" ? wanted : (await isKvmUsable(binary, kernel, signal)) ? "kvm" : "tcg";
  return { machineTypes: parseMachines(machines.stdout), cpuModels: parseCpuModels(models.stdout), accelerator };
}

/** The names in what `-machine help` prints. */
export function parseMachines(text: string): string[] {
  return namesIn(text.split("\n").slice(1), /^(\S+)\s/);
}

/** The names in what `-cpu help` prints, by QEMU of any age. */
export function parseCpuModels(text: string): string[] {
  const end = text.indexOf("Recognized CPUID flags");
  return namesIn((end < 0 ? text : text.slice(0, end)).split("\n"), /^(?:x86\s+|\s+)(\S+)/);
}

/** The default if this QEMU has it, else its newest versioned q35. */
export function chooseMachineType(machineTypes: string[], preferred = "pc-q35-7.2"): string {
  if (machineTypes.includes(preferred)) return preferred;
  const newest = machineTypes
    .filter((name) => /^pc-q35-\d+\.\d+$/.test(name))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .at(-1);
  if (!newest) throw new Error("this QEMU has no versioned q35 machine, such as pc-q35-7.2");
  return newest;
}

function namesIn(lines: string[], pattern: RegExp): string[] {
  return lines.flatMap((line) => pattern.exec(line)?.[1] ?? []);
}
