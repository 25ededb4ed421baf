/** See system-packages.mjs. */
export function ensureInstalled(
  packageOfCommand: Record<string, string>,
  findRoot?: () => Promise<string[] | undefined>,
): Promise<string[]>;
export function servicesIn(archive: string): Promise<string[]>;
