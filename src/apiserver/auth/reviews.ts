import { type Body, parseObject, protobufType } from "../http/body.ts";
import { isObject } from "../json.ts";
import { apiVersionOf, type JsonObject, type ResourceDefinition } from "../resource.ts";
import { badRequest } from "../status.ts";
import { type Message, openEnvelope, readMessage, readString } from "./protobuf.ts";

/** The one identity this server knows: whoever holds the token may do everything that the server can. */
const user = { username: "vacate-admin", groups: ["system:masters", "system:authenticated"] };

const answers: Record<string, () => JsonObject> = {
  SelfSubjectAccessReview: () => ({ allowed: true, reason: "the owner of the server may do everything" }),
  SelfSubjectRulesReview: () => ({
    resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
    nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
    incomplete: false,
  }),
  SelfSubjectReview: () => ({ userInfo: user }),
};

export function isReview(definition: ResourceDefinition): boolean {
  return Object.hasOwn(answers, definition.kind);
}

/**
 * Answers a question about the identity that asks. The only kinds that are also read from protobuf, because newer
 * kubectl ask in no other form.
 *
 * @throws StatusError 400 when it cannot be read, 415 for an unknown media type
 */
export function answerReview(definition: ResourceDefinition, body: Body): JsonObject {
  const { kind } = definition;
  const apiVersion = apiVersionOf(definition);
  const question = body.mediaType === protobufType ? decode(body.bytes) : parseObject(body);
  if (!isObject(question)) throw badRequest("the body must be an object");
  if (question.kind !== kind || question.apiVersion !== apiVersion) {
    throw badRequest(`the body must be a ${kind} in ${apiVersion}, not ${question.kind} in ${question.apiVersion}`);
  }
  return {
    kind,
    apiVersion,
    metadata: { creationTimestamp: null },
    ...(question.spec !== undefined && { spec: question.spec }),
    status: answers[kind]?.(),
  };
}

function decode(bytes: Buffer): JsonObject {
  try {
    const { apiVersion, kind, object } = openEnvelope(bytes);
    if (kind === "SelfSubjectReview") return { apiVersion, kind };
    return { apiVersion, kind, spec: decodeSpec(kind, readMessage(object.get(2))) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw badRequest(`the protobuf body cannot be decoded: ${error.message}`);
  }
}

const resourceAttributes = ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
const nonResourceAttributes = ["path", "verb"];

function decodeSpec(kind: string, spec: Message): JsonObject {
  if (kind === "SelfSubjectRulesReview") return { namespace: readString(spec, 1) };
  const resource = spec.get(1);
  if (resource) return { resourceAttributes: decodeStrings(resource, resourceAttributes) };
  return { nonResourceAttributes: decodeStrings(spec.get(2), nonResourceAttributes) };
}

/** Fields numbered from 1 in the order of their names. */
function decodeStrings(bytes: Buffer | undefined, names: string[]): JsonObject {
  const message = readMessage(bytes);
  const values = names.map((name, index) => [name, readString(message, index + 1)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== ""));
}
