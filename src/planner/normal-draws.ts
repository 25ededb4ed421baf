/** An endless sequence of standard normal numbers, always the same one: plans are deterministic. */
export function normalDraws(seed = 1): () => number {
  let state = seed >>> 0;
  // Mulberry32: 32 bits of state are plenty for some thousand draws.
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
