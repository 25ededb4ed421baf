/** The command line is wrong; the message says what would be right. Ends the process with code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Also true of the errors of `node:util` parseArgs, which say which option is unknown or lacks its value. */
export function isUsageError(error: unknown): boolean {
  if (error instanceof UsageError) return true;
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && code.startsWith("ERR_PARSE_ARGS");
}

/**
 * Whole number of an option's text.
 * @throws UsageError outside of the range
 */
export function parseWholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`--${option} ${JSON.stringify(text)} is not a whole number from ${least} to ${most}`);
}
