import { parentPort, workerData } from "node:worker_threads";
import type { PolicyTask } from "./compare-policies.ts";
import { policies } from "./policies.ts";
import { runPolicy } from "./run-policy.ts";
import { drawWorkload } from "./workload.ts";

const { scale, leadSeconds, policyIndex } = workerData as PolicyTask;
const policy = policies(leadSeconds)[policyIndex];
if (!policy) throw new RangeError(`there is no policy ${policyIndex}`);
parentPort?.postMessage(await runPolicy(drawWorkload(scale), policy, scale.seed));
