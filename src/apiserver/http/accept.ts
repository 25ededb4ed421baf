import { notAcceptable } from "../status.ts";

/** How a client wants objects: whole, as rows for people, or their metadata alone. */
export type Representation = "Object" | "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList";

const supportedTransforms = ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"] as const;
const metaVersions = ["v1", "v1beta1"];

/**
 * The first media type of an Accept header that this server can answer. Kubernetes' clients list them by preference
 * and fall back, so what is not supported here (protobuf) is passed over.
 *
 * @throws StatusError 406 when there is none
 */
export function negotiate(accept: string | undefined): Representation {
  if (!accept) return "Object";
  for (const clause of accept.split(",")) {
    const representation = representationOf(clause);
    if (representation) return representation;
  }
  throw notAcceptable(["application/json"]);
}

function representationOf(clause: string): Representation | undefined {
  const [mediaType = "", ...parameters] = clause.split(";").map((part) => part.trim());
  if (!["application/json", "application/*", "*/*"].includes(mediaType.toLowerCase())) return undefined;
  const values = new Map(parameters.map((parameter) => parameter.split("=", 2) as [string, string]));
  const as = values.get("as");
  if (as === undefined) return "Object";
  if (values.get("g") !== "meta.k8s.io" || !metaVersions.includes(values.get("v") ?? "")) return undefined;
  return supportedTransforms.find((transform) => transform === as);
}
