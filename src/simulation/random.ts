/** A number from 0 up to 1 that depends on nothing but the words: the same draw in every run that asks for it. */
export function drawn(...words: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const character of words.join("\u0000")) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return mixed(hash) / 2 ** 32;
}

/** A factor around 1 of the given relative spread, normally distributed on a logarithmic scale. */
export function noiseFactor(spread: number, ...words: readonly (string | number)[]): number {
  const radius = Math.sqrt(-2 * Math.log(1 - drawn(...words, "radius")));
  return Math.exp(spread * radius * Math.cos(2 * Math.PI * drawn(...words, "angle")));
}

/** Numbers from 0 up to 1, one after another. */
export function sequence(seed: string): () => number {
  let count = 0;
  return () => drawn(seed, count++);
}

/** Spreads every bit of the input over all of the output. */
function mixed(hash: number): number {
  let value = hash ^ (hash >>> 16);
  value = Math.imul(value, 0x21f0aaad);
  value ^= value >>> 15;
  value = Math.imul(value, 0x735a2d97);
  return (value ^ (value >>> 15)) >>> 0;
}
