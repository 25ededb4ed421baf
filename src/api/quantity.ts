const unitBytes = { Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 } as const;
const pattern = /^([1-9][0-9]{0,6})(Mi|Gi|Ti)$/;

/**
 * Bytes of a memory size as written in a manifest.
 * @param text such as `512Mi`, `4Gi` or `1Ti`
 * @throws RangeError when the text is no such size
 */
export function parseMemory(text: string): number {
  const match = pattern.exec(text);
  const unit = match?.[2] as keyof typeof unitBytes | undefined;
  if (!match || !unit) throw new RangeError(`memory ${JSON.stringify(text)} is not a size such as 512Mi, 4Gi or 1Ti`);
  return Number(match[1]) * unitBytes[unit];
}

/** A memory size as in a manifest, in the largest unit that divides it; rounded down to whole mebibytes. */
export function formatMemory(bytes: number): string {
  const mebibytes = Math.floor(bytes / unitBytes.Mi);
  if (mebibytes > 0 && mebibytes % 1024 === 0) return `${mebibytes / 1024}Gi`;
  return `${mebibytes}Mi`;
}

/** Bytes for people, such as `116.0 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes >= unitBytes.Gi) return `${(bytes / unitBytes.Gi).toFixed(1)} GiB`;
  if (bytes >= unitBytes.Mi) return `${(bytes / unitBytes.Mi).toFixed(1)} MiB`;
  return `${(bytes / 1024).toFixed(1)} KiB`;
}
