import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ControlPlane, startControlPlane } from "../../hack/kube-apiserver/control-plane.ts";

const buildScript = new URL("../../hack/kube-apiserver/build.sh", import.meta.url).pathname;

/**
 * A real kube-apiserver 1.20.2 with etcd and the controller manager on loopback, empty, in a temporary folder that
 * `stop` removes. Takes about six seconds; the first time on a machine four minutes, since the programs are built then.
 */
export async function startKubeApiServer(signal?: AbortSignal): Promise<ControlPlane> {
  const { stdout } = await promisify(execFile)(buildScript, { ...(signal && { signal }) });
  const folder = await mkdtemp(join(tmpdir(), "vacate-apiserver-"));
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    const controlPlane = await startControlPlane(folder, stdout.trim(), signal);
    return { ...controlPlane, stop: () => controlPlane.stop().then(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}
