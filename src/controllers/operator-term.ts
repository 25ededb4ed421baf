import { type ConfigMap, configMaps } from "../api/resources.ts";
import { ApiError, type Client, isAlreadyExists, isConflict, isNotFound } from "../runtime/client.ts";

const configMapName = "vacate-operator-term";
const field = "term";
const mostAttempts = 20;

/**
 * Takes the next operator term, a number above every one taken before. Agents refuse the orders of a lower term than
 * the highest they have seen, so an operator that was replaced and does not know it yet can do no harm (R2).
 *
 * @param namespace the operator's own; it must exist
 * @returns 1 or more
 * @throws Error when the recorded term is no number, or others take terms all the time
 */
export async function takeOperatorTerm(client: Client, namespace: string, signal?: AbortSignal): Promise<number> {
  const options = signal === undefined ? {} : { signal };
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    try {
      const recorded = await read(client, namespace, options);
      if (recorded === undefined) return await record(client, namespace, options);
      const term = nextTerm(recorded, namespace);
      const data = { ...recorded.data, [field]: String(term) };
      await client.replace(configMaps, { ...recorded, data }, options);
      return term;
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw error;
    }
  }
  throw new Error(
    `config map ${namespace}/${configMapName}: others took ${mostAttempts} terms in a row; how many operators run?`,
  );
}

async function read(
  client: Client,
  namespace: string,
  options: { signal?: AbortSignal },
): Promise<ConfigMap | undefined> {
  try {
    return await client.get(configMaps, { namespace, name: configMapName }, options);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function record(client: Client, namespace: string, options: { signal?: AbortSignal }): Promise<number> {
  const metadata = { namespace, name: configMapName };
  try {
    await client.create(configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { [field]: "1" } }, options);
  } catch (error) {
    if (!(error instanceof ApiError && isNotFound(error))) throw error;
    throw new Error(
      `namespace ${namespace} does not exist; create it, the operator keeps its term and identities there`,
      {
        cause: error,
      },
    );
  }
  return 1;
}

/** A term that cannot be read is never replaced by a guess: a lower one would be refused, and a higher one shut others out. */
function nextTerm(recorded: ConfigMap, namespace: string): number {
  const text = recorded.data?.[field] ?? "";
  const term = Number(text);
  if (text !== "" && Number.isSafeInteger(term) && term >= 0) return term + 1;
  const where = `config map ${namespace}/${configMapName}, ${field}`;
  throw new Error(`${where}: is ${JSON.stringify(text)}; allowed is a whole number not below any term used before`);
}
