/**
 * Builds the images of the guests that tests and the demo run:
 *
 *     node hack/guest/build.ts [--out DIR]
 *
 * and prints the folder that holds them (default: in the cache). Each is a folder with an empty ext2 disk, Debian's cloud
 * kernel, an initramfs of busybox and `init` from this folder, and the kernel's parameters. Builds only when its inputs
 * have changed; nothing is installed and no root is needed.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  chmod,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { cacheFolder, withLock } from "../setup/cache.mjs";
import { ensureUnpacked } from "../setup/unpacked.mjs";

const run = promisify(execFile);
const sourceFolder = dirname(fileURLToPath(import.meta.url));
const diskBytes = 32 * 1024 ** 2;

/** In the order in which they must be inserted. */
const modules = [
  "drivers/virtio/virtio_ring",
  "drivers/virtio/virtio",
  "drivers/virtio/virtio_pci_legacy_dev",
  "drivers/virtio/virtio_pci_modern_dev",
  "drivers/virtio/virtio_pci",
  "net/core/failover",
  "drivers/net/net_failover",
  "drivers/net/virtio_net",
  "drivers/block/virtio_blk",
  "drivers/input/evdev",
  "drivers/acpi/button",
];

/** Kernel parameters of each image. */
const flavours: Record<string, string> = {
  counter: "console=ttyS0 quiet",
  busy: "console=ttyS0 quiet vacate.busy_mb=24",
};

interface Inputs {
  kernel: string;
  moduleFolder: string;
  busybox: string;
  /** Changes whenever what is built would. */
  checksum: string;
}

/**
 * Makes sure that the images are built, as this version of the project wants them.
 * @param out the folder to put them in; left out, a folder in the cache named by the inputs' checksum.
 * @returns the folder with one image folder for each flavour
 */
export async function ensureGuestImages(out?: string): Promise<string> {
  const inputs = await findInputs();
  const folder = out ?? join(cacheFolder(), "guest-images", inputs.checksum.slice(0, 16));
  const upToDate = async () =>
    (await readFile(join(folder, ".inputs"), "utf8").catch(() => undefined)) === inputs.checksum;
  if (await upToDate()) return folder;
  await refuseForeignFolder(folder);
  await mkdir(dirname(folder), { recursive: true });
  await withLock(`${folder}.lock`, async () => {
    if (!(await upToDate())) await build(inputs, folder);
  });
  return folder;
}

/** The folder is replaced as a whole, so it must be one that was made here. */
async function refuseForeignFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  if (names.length > 0 && !names.includes(".inputs")) {
    throw new Error(`${folder} holds something else than guest images; give an empty or a new folder`);
  }
}

async function findInputs(): Promise<Inputs> {
  const kernelPackage = await ensureUnpacked("linux-image-cloud-amd64");
  const busyboxPackage = await ensureUnpacked("busybox-static");
  const [release, ...others] = await readdir(join(kernelPackage, "lib/modules"));
  if (!release || others.length > 0) throw new Error(`${kernelPackage}/lib/modules: want exactly one kernel`);
  const hash = createHash("sha256").update(JSON.stringify({ modules, flavours, diskBytes }));
  for (const file of [
    join(sourceFolder, "init"),
    join(sourceFolder, "build.ts"),
    join(kernelPackage, ".complete"),
    join(busyboxPackage, ".complete"),
  ]) {
    hash.update(await readFile(file));
  }
  return {
    kernel: join(kernelPackage, "boot", `vmlinuz-${release}`),
    moduleFolder: join(kernelPackage, "lib/modules", release, "kernel"),
    busybox: join(busyboxPackage, "bin/busybox"),
    checksum: hash.digest("hex"),
  };
}

async function build(inputs: Inputs, folder: string): Promise<void> {
  const work = await mkdtemp(`${folder}.building-`);
  try {
    const initrd = await buildInitialFileSystem(inputs, join(work, "root"));
    await rm(join(work, "root"), { recursive: true });
    for (const [name, parameters] of Object.entries(flavours)) {
      const image = join(work, "images", name);
      await mkdir(image, { recursive: true });
      await copyFile(inputs.kernel, join(image, "vmlinuz")).then(() => chmod(join(image, "vmlinuz"), 0o644));
      await link(initrd, join(image, "initrd"));
      await writeFile(join(image, "cmdline"), `${parameters}\n`);
      await makeDisk(inputs.busybox, join(image, "disk.raw"));
    }
    await writeFile(join(work, "images", ".inputs"), inputs.checksum);
    // A guest that still runs on an older image keeps the files it has open.
    await rm(folder, { recursive: true, force: true });
    await rename(join(work, "images"), folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function buildInitialFileSystem(inputs: Inputs, root: string): Promise<string> {
  for (const name of ["bin", "modules", "dev"]) await mkdir(join(root, name), { recursive: true });
  await copyFile(inputs.busybox, join(root, "bin/busybox"));
  await copyFile(join(sourceFolder, "init"), join(root, "init"));
  for (const name of ["bin/busybox", "init"]) await chmod(join(root, name), 0o755);
  const names = modules.map((path) => path.slice(path.lastIndexOf("/") + 1));
  for (const [index, path] of modules.entries()) {
    const source = join(inputs.moduleFolder, `${path}.ko`);
    if (!existsSync(source)) throw new Error(`${source} is missing from the kernel package`);
    await copyFile(source, join(root, "modules", `${names[index]}.ko`));
  }
  await writeFile(join(root, "modules/order"), `${names.join("\n")}\n`);
  const pack = "find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | zstd -q -10 -o ../initrd";
  await run("bash", ["-o", "pipefail", "-c", pack], { cwd: root });
  return join(dirname(root), "initrd");
}

async function makeDisk(busybox: string, path: string): Promise<void> {
  await writeFile(path, "");
  await truncate(path, diskBytes);
  await run(busybox, ["mke2fs", "-F", "-b", "4096", "-L", "guest", path]);
  await chmod(path, 0o444);
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) {
  const { out } = parseArgs({ options: { out: { type: "string" } } }).values;
  console.log(await ensureGuestImages(out));
}
