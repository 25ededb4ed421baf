import type { ResourceDefinition } from "../resource.ts";
import type { StructuralSchema } from "../schema/structural-schema.ts";

/** A schema as it stands in a document: a structural one, or a reference to another. */
export type DocumentSchema = StructuralSchema & { $ref?: string; allOf?: { $ref: string }[] };

export const objectMetaName = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

export function groupVersionKind({ group, version, kind }: GroupVersionKind): GroupVersionKind {
  return { group, version, kind };
}

/** The name of a kind's schema in the documents: `dev.vacate.v1alpha1.Reservation`. */
export function schemaName({ group, version, kind }: GroupVersionKind): string {
  const prefix = group === "" ? "io.k8s.api.core" : group.split(".").reverse().join(".");
  return `${prefix}.${version}.${kind}`;
}

/**
 * The schema of a whole object: the definition's own with apiVersion, kind and metadata.
 *
 * @param metadata how this document refers to the schema of metadata
 */
export function kindSchema(definition: ResourceDefinition, metadata: DocumentSchema): DocumentSchema {
  const schema = (definition.schema ?? { "x-kubernetes-preserve-unknown-fields": true }) as StructuralSchema;
  return {
    ...schema,
    type: "object",
    properties: {
      apiVersion: { type: "string", description: "Group and version of the kind, such as v1 or example.com/v1." },
      kind: { type: "string", description: "The kind of this object, such as ConfigMap." },
      ...schema.properties,
      metadata,
    },
    "x-kubernetes-group-version-kind": [groupVersionKind(definition)],
  };
}
