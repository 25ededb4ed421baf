import { join } from "node:path";
import { DriverError } from "../driver.ts";

/** Folders of a QEMU driver. */
export interface QemuFolders {
  /** On persistent disk: overlays, serial logs, configurations. */
  dataDirectory: string;
  /** Memory and device state: on tmpfs state lands in RAM, elsewhere on disk. */
  stateDirectory: string;
  /** For sockets; the path must be short. */
  runDirectory: string;
}

/** Where the files of one guest lie. */
export interface GuestFiles {
  dataFolder: string;
  configuration: string;
  overlay: string;
  serialLog: string;
  /** What QEMU itself complains about. */
  log: string;
  /** Written by QEMU. Its path, in the command line, is what a process is recognised by. */
  pidFile: string;
  stateFolder: string;
  memory: string;
  /** There only while it is complete and may be loaded. */
  deviceState: string;
  runFolder: string;
  /** Each serves one client; the second is for when the first is taken. */
  monitors: [string, string];
  streamSocket: string;
}

/** A Unix socket's path has at most 107 bytes. */
const longestSocketPath = 107;
const longestUid = 36;
const longestSocketName = "/monitor-2".length;

/** @throws Error when sockets in the folder would have names that are too long */
export function checkRunDirectory(runDirectory: string): void {
  const room = longestSocketPath - 1 - longestUid - longestSocketName;
  const length = Buffer.byteLength(runDirectory);
  if (length <= room) return;
  throw new Error(`runDirectory ${runDirectory} has ${length} bytes; for its sockets it may have ${room} at most`);
}

/** @throws DriverError `InvalidRequest` for a uid that would not do as a file name */
export function guestFiles(folders: QemuFolders, uid: string): GuestFiles {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(uid) || uid.length > longestUid) {
    throw new DriverError(
      "InvalidRequest",
      `uid ${JSON.stringify(uid)}: want up to ${longestUid} letters, digits and hyphens`,
    );
  }
  const dataFolder = join(folders.dataDirectory, "guests", uid);
  const stateFolder = join(folders.stateDirectory, uid);
  const runFolder = join(folders.runDirectory, uid);
  return {
    dataFolder,
    configuration: join(dataFolder, "configuration.json"),
    overlay: join(dataFolder, "overlay.qcow2"),
    serialLog: join(dataFolder, "serial.log"),
    log: join(dataFolder, "qemu.log"),
    pidFile: join(dataFolder, "pid"),
    stateFolder,
    memory: join(stateFolder, "memory"),
    deviceState: join(stateFolder, "device-state"),
    runFolder,
    monitors: [join(runFolder, "monitor-1"), join(runFolder, "monitor-2")],
    streamSocket: join(runFolder, "stream"),
  };
}
