const longestName = 63;

/**
 * What is wrong with an object's name; undefined when it is right. Names become label values and parts of statuses. A
 * server without CEL lets longer ones through.
 */
export function invalidName({ metadata: { name } }: { metadata: { name: string } }): string | undefined {
  if (name.length <= longestName) return undefined;
  return `metadata.name has ${name.length} characters; allowed are at most ${longestName}`;
}
