import { overheadModels } from "../../api/resources.ts";
import type { ControllerOptions } from "../../runtime/controller.ts";
import { createOverheadModelReconciler, type OverheadModelDependencies, overheadModelWatches } from "./reconciler.ts";

/** How the overhead model controller is run. */
export function overheadModelController(dependencies: OverheadModelDependencies): ControllerOptions {
  return {
    name: "overheadmodel",
    resource: overheadModels,
    reconcile: createOverheadModelReconciler(dependencies),
    watches: overheadModelWatches(dependencies.hosts),
  };
}
