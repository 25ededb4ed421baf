/** See unpacked.mjs. */
export function ensureUnpacked(packageName: string): Promise<string>;
