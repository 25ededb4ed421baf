/** See cache.mjs. */
export function cacheFolder(): string;
export function withLock<T>(lockPath: string, action: () => T | Promise<T>): Promise<T>;
