import { execFile } from "node:child_process";
import { access, constants, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the QEMU of this host can do. */
export interface HostSoftware {
  /** All it has, such as `pc-q35-7.2`. */
  machineTypes: string[];
  cpuModels: string[];
  accelerator: "kvm" | "tcg";
}

/** @throws Error when QEMU is not there */
export async function examineHost(
  binary: string,
  wanted: "auto" | "kvm" | "tcg",
  signal: AbortSignal,
): Promise<HostSoftware> {
  const machines = await run(binary, ["-machine", "help"], { signal });
  const models = await run(binary, ["-cpu", "help"], { signal });
  const accelerator = wanted !== "auto" ? wanted : (await runsGuests(binary, "kvm", signal)) ? "kvm" : "tcg";
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

/** Written to the port of the device `isa-debug-exit`, this makes QEMU end with code 2 * 0x10 + 1. */
const exitCodeOfProbe = 0x21;
const probeTimeoutMilliseconds = 15_000;

/**
 * Whether a guest really runs with the accelerator. `/dev/kvm` may be there and open, and QEMU start without an error, and
 * the guest still never boot; so a boot sector has to get as far as ending QEMU with a certain code.
 */
export async function runsGuests(binary: string, accelerator: "kvm" | "tcg", signal: AbortSignal): Promise<boolean> {
  if (accelerator === "kvm") {
    const usable = await access("/dev/kvm", constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    );
    if (!usable) return false;
  }
  const folder = await mkdtemp(join(tmpdir(), "vacate-probe-"));
  try {
    const disk = join(folder, "boot-sector");
    await writeFile(disk, probeBootSector(), { mode: 0o600 });
    const drive = `file=${disk.replaceAll(",", ",,")},format=raw,if=ide`;
    const parameters = ["-no-user-config", "-nodefaults", "-display", "none", "-machine", "pc", "-m", "16M"];
    const debugExit = ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"];
    await run(binary, [...parameters, "-accel", accelerator, "-drive", drive, ...debugExit], {
      signal,
      timeout: probeTimeoutMilliseconds,
      killSignal: "SIGKILL",
    });
    return false;
  } catch (error) {
    signal.throwIfAborted();
    return (error as { code?: unknown }).code === exitCodeOfProbe;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function probeBootSector(): Buffer {
  const sector = Buffer.alloc(512);
  // mov al, 0x10; mov dx, 0xf4; out dx, al; hlt; jmp to the hlt
  Buffer.from([0xb0, 0x10, 0xba, 0xf4, 0x00, 0xee, 0xf4, 0xeb, 0xfd]).copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function namesIn(lines: string[], pattern: RegExp): string[] {
  return lines.flatMap((line) => pattern.exec(line)?.[1] ?? []);
}
