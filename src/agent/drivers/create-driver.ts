import type { Driver } from "./driver.ts";
import { QemuDriver, type QemuDriverOptions } from "./qemu/qemu-driver.ts";
import { SimulatedDriver, type SimulatedDriverOptions } from "./simulated/simulated-driver.ts";

/** Which driver, and its options. */
export type DriverOptions = ({ name: "QEMU" } & QemuDriverOptions) | ({ name: "Simulated" } & SimulatedDriverOptions);

/** @throws Error when an option makes no sense, naming it */
export function createDriver(options: DriverOptions): Driver {
  return options.name === "QEMU" ? new QemuDriver(options) : new SimulatedDriver(options);
}
