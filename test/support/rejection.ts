/** What the promise rejects with; throws when it resolves. */
export async function rejection(promise: PromiseLike<unknown>): Promise<Error> {
  const outcome = await Promise.resolve(promise).then(
    () => undefined,
    (error: Error) => error,
  );
  if (outcome === undefined) throw new Error("resolved, but should have been rejected");
  return outcome;
}
