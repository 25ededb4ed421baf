import { parseMemory } from "../../api/quantity.ts";
import type { VirtualMachineSpec } from "../../api/types.gen.ts";

const imageName = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const maximumMemoryBytes = 99 * 2 ** 40;

/** What is wrong with the spec, naming the field and what is allowed; undefined when it is right. A server without validation lets anything through. */
export function invalidSpec(spec: VirtualMachineSpec): string | undefined {
  if (!Number.isInteger(spec.cpus) || spec.cpus < 1 || spec.cpus > 256) {
    return `spec.cpus is ${spec.cpus}; allowed are 1 to 256`;
  }
  try {
    if (parseMemory(spec.memory) > maximumMemoryBytes) return `spec.memory is ${spec.memory}; at most 99Ti are allowed`;
  } catch {
    return `spec.memory is ${JSON.stringify(spec.memory)}; allowed is a size such as 512Mi or 4Gi`;
  }
  const image = spec.disk?.image ?? "";
  if (image.length > 63 || !imageName.test(image)) {
    return `spec.disk.image is ${JSON.stringify(image)}; allowed are lower-case letters, digits, dots and dashes, at most 63`;
  }
  return undefined;
}
