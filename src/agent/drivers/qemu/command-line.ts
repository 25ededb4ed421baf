import { createHash } from "node:crypto";
import type { GuestConfiguration } from "../../protocol/types.ts";
import type { GuestFiles } from "./guest-files.ts";
import type { Image } from "./images.ts";

/** The devices of every guest, in the order in which they are put into its machine. */
export const guestDevices = ["virtio-blk-pci", "virtio-net-pci"];

/** `isolated`: a network card and a gateway that answers, nothing behind it. `user`: the host's network through QEMU. */
export type GuestNetwork = "isolated" | "user";

export interface CommandLineInputs {
  configuration: GuestConfiguration;
  files: GuestFiles;
  image: Image;
  network: GuestNetwork;
  /** Wait for a guest's state instead of booting. */
  incoming: boolean;
}

/** QEMU's parameters for one guest. They are visible to everybody on the host and hold no secret. */
export function qemuParameters({ configuration, files, image, network, incoming }: CommandLineInputs): string[] {
  const { uid, cpus, memoryBytes, machineType, cpuModel, macAddress } = configuration;
  const restrict = network === "isolated" ? "on" : "off";
  return [
    ...["-name", `guest=${uid}`, "-uuid", machineUuid(uid), "-pidfile", files.pidFile],
    ...["-no-user-config", "-nodefaults", "-display", "none"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-object", `memory-backend-file,id=memory,size=${memoryBytes},mem-path=${escaped(files.memory)},share=on`],
    ...["-machine", `${machineType},memory-backend=memory`, "-m", `${memoryBytes}B`],
    ...["-accel", acceleratorOption(configuration.accelerator), "-cpu", cpuModel, "-smp", `${cpus}`],
    ...["-rtc", "base=utc"],
    ...diskParameters(files, image),
    // romfile=: QEMU would otherwise put its network boot ROM into the state that moves.
    ...["-netdev", `user,id=network,restrict=${restrict}`],
    ...["-device", `virtio-net-pci,netdev=network,mac=${macAddress},romfile=`],
    // append: coming back to a host must not wipe what the guest said there before.
    ...["-chardev", `file,id=serial,path=${escaped(files.serialLog)},append=on`, "-serial", "chardev:serial"],
    ...files.monitors.flatMap((path, index) => monitorParameters(path, index)),
    ...bootParameters(image),
    ...(incoming ? ["-incoming", "defer", "-S"] : []),
  ];
}

/** Locally administered and derived from the uid, because QEMU's own default is the same for every guest. */
export function macAddressOf(uid: string): string {
  const bytes = createHash("sha256").update(`mac ${uid}`).digest().subarray(0, 6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** The uid itself where it is a UUID, as those of Kubernetes are. */
export function machineUuid(uid: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uid)) return uid;
  const hex = createHash("sha256").update(`uuid ${uid}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

/** A cache for translated code of the default size, up to 1 GB a guest, would fill the host's memory. */
function acceleratorOption(accelerator: string): string {
  return accelerator === "tcg" ? "tcg,tb-size=128" : accelerator;
}

/** The backing file is named here, so that the path in an overlay that came from another host is never followed. */
function diskParameters(files: GuestFiles, image: Image): string[] {
  return [
    ...["-blockdev", `driver=file,node-name=base-file,read-only=on,filename=${escaped(image.disk)}`],
    ...["-blockdev", `driver=${image.diskFormat},node-name=base,read-only=on,file=base-file`],
    ...["-blockdev", `driver=file,node-name=overlay-file,discard=unmap,filename=${escaped(files.overlay)}`],
    ...["-blockdev", "driver=qcow2,node-name=overlay,discard=unmap,file=overlay-file,backing=base"],
    ...["-device", "virtio-blk-pci,drive=overlay"],
  ];
}

function monitorParameters(path: string, index: number): string[] {
  const id = `monitor-${index}`;
  return ["-chardev", `socket,id=${id},server=on,wait=off,path=${escaped(path)}`, "-mon", `chardev=${id},mode=control`];
}

/** A folder without a kernel boots from its disk. */
function bootParameters(image: Image): string[] {
  if (!image.kernel) return [];
  const initrd = image.initrd ? ["-initrd", image.initrd] : [];
  return ["-kernel", image.kernel, ...initrd, "-append", image.kernelParameters];
}

/** A comma ends a value in QEMU's options unless it is doubled. */
function escaped(path: string): string {
  return path.replaceAll(",", ",,");
}
