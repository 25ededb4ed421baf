/**
 * The subsets of the given size, cheapest first, where a subset costs the sum of its members. Each is a list of
 * ascending indices. Equal costs come in a fixed order.
 * @param costs ascending, zero or more
 * @param size 1 or more; more than there are costs yields nothing
 */
export function* cheapestSubsets(costs: readonly number[], size: number): Generator<number[]> {
  if (size > costs.length) return;
  const costOf = (subset: readonly number[]) => subset.reduce((sum, index) => sum + (costs[index] ?? 0), 0);
  const first = Array.from({ length: size }, (_, index) => index);
  const open = [{ subset: first, cost: costOf(first) }];
  const seen = new Set([first.join()]);
  while (open.length > 0) {
    const { subset } = open.shift() as (typeof open)[number];
    yield subset;
    // Every other subset arises by moving one index up by one; that never makes it cheaper.
    for (let position = 0; position < size; position++) {
      const moved = (subset[position] as number) + 1;
      if (moved >= costs.length || moved === subset[position + 1]) continue;
      const next = subset.with(position, moved);
      if (seen.has(next.join())) continue;
      seen.add(next.join());
      const cost = costOf(next);
      const place = open.findIndex((entry) => entry.cost > cost);
      open.splice(place < 0 ? open.length : place, 0, { subset: next, cost });
    }
  }
}
