import type { ObjectMeta } from "../../../src/api/object.ts";
import { type VirtualMachine, vacateApiVersion } from "../../../src/api/resources.ts";

/** A virtual machine `lab/guest-1`, as an example of an object. */
export function vm(metadata: Partial<ObjectMeta> = {}, spec: Partial<VirtualMachine["spec"]> = {}): VirtualMachine {
  return {
    apiVersion: vacateApiVersion,
    kind: "VirtualMachine",
    metadata: { namespace: "lab", name: "guest-1", ...metadata },
    spec: { cpus: 1, memory: "128Mi", disk: { image: "busybox" }, ...spec },
  };
}
