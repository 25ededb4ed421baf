import { Worker } from "node:worker_threads";
import { policies } from "./policies.ts";
import type { PolicyScore } from "./run-policy.ts";
import type { Scale } from "./workload.ts";

/** What a worker is told: which of the policies to run on which workload. */
export interface PolicyTask {
  scale: Scale;
  leadSeconds: number;
  policyIndex: number;
}

/**
 * Runs the same workload under every policy, each in a thread of its own. The same scale gives the same scores.
 * @param leadSeconds of the policy with a fixed lead
 */
export function comparePolicies(scale: Scale, leadSeconds: number, signal: AbortSignal): Promise<PolicyScore[]> {
  return Promise.all(
    policies(leadSeconds).map((_, policyIndex) => runInThread({ scale, leadSeconds, policyIndex }, signal)),
  );
}

function runInThread(task: PolicyTask, signal: AbortSignal): Promise<PolicyScore> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./policy-worker.ts", import.meta.url), { workerData: task });
    const onAbort = () => {
      void worker.terminate();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    worker.once("message", (score: PolicyScore) => {
      signal.removeEventListener("abort", onAbort);
      resolve(score);
      // What the operator left behind may still wait for something.
      void worker.terminate();
    });
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the simulation ended without a score, with code ${code}`)));
  });
}
