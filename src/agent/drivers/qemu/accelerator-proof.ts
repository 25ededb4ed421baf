import { execFile } from "node:child_process";
import { access, constants, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Written to the port of the device `isa-debug-exit`, this makes QEMU end with code 2 * 0x10 + 1. */
const exitCodeOfSector = 0x21;
const timeoutMilliseconds = 15_000;
const commonParameters = ["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"];

/**
 * Whether KVM is there and worth having. `/dev/kvm` may open and QEMU start without an error, and a guest still never
 * boot, or run many times slower than under emulation. So a boot sector has to run, not much slower than under emulation,
 * and then a kernel has to speak.
 * @param kernel a Linux kernel to try it with; left out, the boot sector alone decides
 */
export async function isKvmUsable(binary: string, kernel: string | undefined, signal: AbortSignal): Promise<boolean> {
  const isThere = await access("/dev/kvm", constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!isThere) return false;
  const emulatedSeconds = await bootSectorSeconds(binary, "tcg", signal);
  const seconds = await bootSectorSeconds(binary, "kvm", signal);
  if (seconds > 0.5 + 3 * emulatedSeconds) return false;
  return kernel === undefined || kernelBoots(binary, "kvm", kernel, signal);
}

/** How long a boot sector takes from QEMU's start to its last instruction; Infinity when it does not get there. */
export async function bootSectorSeconds(
  binary: string,
  accelerator: "kvm" | "tcg",
  signal: AbortSignal,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "vacate-probe-"));
  const start = performance.now();
  try {
    const disk = join(folder, "boot-sector");
    await writeFile(disk, bootSector(), { mode: 0o600 });
    const drive = `file=${disk.replaceAll(",", ",,")},format=raw,if=ide`;
    const devices = [
      "-machine",
      "pc",
      "-m",
      "16M",
      "-drive",
      drive,
      "-device",
      "isa-debug-exit,iobase=0xf4,iosize=0x04",
    ];
    await runBriefly(binary, ["-accel", accelerator, ...devices], signal);
    return Number.POSITIVE_INFINITY;
  } catch (error) {
    signal.throwIfAborted();
    if ((error as { code?: unknown }).code !== exitCodeOfSector) return Number.POSITIVE_INFINITY;
    return (performance.now() - start) / 1000;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a Linux kernel gets as far as missing its root file system, which ends it. */
export async function kernelBoots(
  binary: string,
  accelerator: "kvm" | "tcg",
  kernel: string,
  signal: AbortSignal,
): Promise<boolean> {
  const boot = ["-machine", "q35", "-m", "256M", "-kernel", kernel, "-append", "console=ttyS0 panic=-1"];
  try {
    const output = await runBriefly(binary, ["-accel", accelerator, ...boot, "-serial", "stdio"], signal);
    return output.includes("Linux version") && output.includes("Kernel panic");
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

async function runBriefly(binary: string, parameters: string[], signal: AbortSignal): Promise<string> {
  const limits = { signal, timeout: timeoutMilliseconds, killSignal: "SIGKILL" } as const;
  return (await run(binary, [...commonParameters, ...parameters], limits)).stdout;
}

function bootSector(): Buffer {
  const sector = Buffer.alloc(512);
  // mov al, 0x10; mov dx, 0xf4; out dx, al; hlt; jmp to the hlt
  Buffer.from([0xb0, 0x10, 0xba, 0xf4, 0x00, 0xee, 0xf4, 0xeb, 0xfd]).copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}
