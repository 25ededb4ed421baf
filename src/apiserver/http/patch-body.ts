import { isObject } from "../json.ts";
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch } from "../patch.ts";
import type { JsonObject, ResourceDefinition } from "../resource.ts";
import type { Change } from "../rest/object-writer.ts";
import { badRequest, unsupportedMediaType } from "../status.ts";
import { type Body, parseJsonBody } from "./body.ts";

const jsonPatchType = "application/json-patch+json";
const mergePatchType = "application/merge-patch+json";
const strategicMergePatchType = "application/strategic-merge-patch+json";
const serverSideApplyTypes = ["application/apply-patch+yaml", "application/apply-patch+cbor"];

/**
 * How a PATCH body changes an object of this kind.
 *
 * @throws StatusError 400 when the body is no patch, 415 for a kind of patch that is not supported
 */
export function patchChange(definition: ResourceDefinition, body: Body): Change {
  if (body.mediaType === jsonPatchType) {
    const patch = parseJsonBody(body);
    return (current) => applyJsonPatch(current, patch);
  }
  if (body.mediaType === mergePatchType) {
    const patch = parsePatchObject(body);
    return (current) => applyMergePatch(current, patch);
  }
  if (body.mediaType === strategicMergePatchType && definition.builtIn) {
    const patch = parsePatchObject(body);
    return (current) => applyStrategicMergePatch(current, patch);
  }
  throw refuse(definition, body.mediaType);
}

function parsePatchObject(body: Body): JsonObject {
  const patch = parseJsonBody(body);
  if (!isObject(patch)) throw badRequest("the patch must be an object");
  return patch;
}

function refuse(definition: ResourceDefinition, mediaType: string) {
  if (serverSideApplyTypes.includes(mediaType)) {
    return unsupportedMediaType(
      "server-side apply is not supported by this server: use client-side apply (kubectl apply without --server-side)",
    );
  }
  const accepted = [jsonPatchType, mergePatchType, ...(definition.builtIn ? [strategicMergePatchType] : [])];
  return unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}
