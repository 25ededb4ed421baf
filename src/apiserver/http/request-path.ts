/** What a path under /api or /apis asks for. */
export interface ResourcePath {
  apiVersion: string;
  plural: string;
  /** Absent: all namespaces, or a cluster-scoped kind. */
  namespace?: string;
  name?: string;
  subresource?: string;
}

/** Subresources of a namespace itself; any other third part is a kind within the namespace. */
const namespaceSubresources = ["status", "finalize"];

/**
 * Takes a path such as /apis/vacate.dev/v1alpha1/namespaces/lab/reservations/friday/status apart.
 *
 * @returns undefined when the path has not the form of a resource's
 */
export function parseResourcePath(path: string): ResourcePath | undefined {
  let segments: string[];
  try {
    segments = path.split("/").slice(1).map(decodeURIComponent);
  } catch {
    return undefined;
  }
  if (segments.at(-1) === "") segments.pop();
  if (segments.includes("")) return undefined;
  const [root, ...rest] = segments;
  const groupLength = root === "api" ? 1 : root === "apis" ? 2 : 0;
  if (groupLength === 0 || rest.length <= groupLength) return undefined;
  return parseParts(rest.slice(0, groupLength).join("/"), rest.slice(groupLength));
}

function parseParts(apiVersion: string, parts: string[]): ResourcePath | undefined {
  const [first, namespace, third] = parts;
  const isInNamespace =
    first === "namespaces" && namespace !== undefined && third !== undefined && !namespaceSubresources.includes(third);
  const [plural, name, subresource, ...more] = isInNamespace ? parts.slice(2) : parts;
  if (plural === undefined || more.length > 0) return undefined;
  return {
    apiVersion,
    plural,
    ...(isInNamespace && { namespace }),
    ...(name !== undefined && { name }),
    ...(subresource !== undefined && { subresource }),
  };
}
