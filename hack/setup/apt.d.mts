/** See apt.mjs. */
export function findCommand(command: string): string | undefined;
export function download(packageNames: string[], folder: string): Promise<void>;
