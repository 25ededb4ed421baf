import type { KubernetesObject, ObjectMeta } from "../../src/apiserver/resource.ts";

/** An object as the API server stores it; tests say only what they care about. */
export function kubernetesObject(
  metadata: Partial<ObjectMeta> & { name: string },
  fields: Record<string, unknown> = {},
): KubernetesObject {
  return {
    apiVersion: "example.dev/v1",
    kind: "Thing",
    metadata: {
      uid: `uid-of-${metadata.name}`,
      resourceVersion: "",
      creationTimestamp: "2030-01-01T00:00:00Z",
      ...metadata,
    },
    ...fields,
  };
}
